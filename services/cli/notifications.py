"""`calldock notifications`: what receivers were told and what they answered, by a token of the account."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial

import grpc
from calldock.intake.v1.call_pb2 import CallEvent
from calldock.notify.v1.notification_pb2 import (
    Attempt,
    AttemptOutcome,
    Notification,
    NotificationStatus,
    Receiver,
    ReceiverState,
)
from calldock.notify.v1.notification_service_pb2 import (
    GetNotificationRequest,
    ListNotificationsRequest,
    ListReceiversRequest,
    RedeliverBuriedRequest,
    RedeliverNotificationRequest,
    SendTestNotificationRequest,
)
from calldock.notify.v1.notification_service_pb2_grpc import NotificationServiceStub
from rich.table import Table
from rich.text import Text

from services.cli.connect import DEADLINE_S, Door, asked_until_there, explain
from services.cli.moments import shown
from services.cli.terminal_text import cell, json_of, one_line, printable, wide_console
from services.shared.rpc.values import timestamp, value_of, word_of

PAGE = 1000
POSTS_DEADLINE_S = 150.0
"""A test waits for its receiver, a redelivery of many for all of them; the front door waits as long."""
ANSWER_COLUMNS = 60
_OF_THIS_ONE = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


class StatusWord(StrEnum):
    """Where a notification stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    BURIED = "buried"


class EventWord(StrEnum):
    """What a notification tells."""

    PROCESSED = "processed"
    IN_PROCESS = "in_process"
    ERROR = "error"


def print_list(
    door: Door,
    limit: int,
    *,
    status: StatusWord | None,
    event: EventWord | None,
    call_session_id: int | None,
    receiver: str | None,
    since: datetime | None,
    as_json: bool,
) -> None:
    """Prints the newest notifications of those asked for: a table, or one JSON object a line."""
    asked = ListNotificationsRequest(
        call_session_id=call_session_id,
        status=value_of(NotificationStatus, status),
        event=value_of(CallEvent, event),
        receiver_host=receiver or "",
        from_time=timestamp(since) if since else None,
    )
    table = _table("notification", "call", "event", "status", "attempts", "last outcome", "next try (UTC)", "receiver")
    for notification in _newest(door, asked, limit):
        if as_json:
            print(json_of(notification))
        else:
            table.add_row(*map(cell, _row(notification)))
    if not as_json:
        wide_console().print(table)


def print_notification(door: Door, notification_id: str, *, as_json: bool) -> None:
    """Prints one notification: its facts, the body as it is posted, its attempts."""
    request = GetNotificationRequest(notification_id=notification_id)
    stub = NotificationServiceStub(door.channel)
    notification = stub.GetNotification(request, timeout=DEADLINE_S, metadata=door.metadata)
    if as_json:
        print(json_of(notification, indent=2))
        return
    console = wide_console()
    console.print(_facts(_told(notification)))
    console.print(Text(printable(notification.body)), soft_wrap=True)
    if notification.attempts:
        table = _table("#", "time (UTC)", "ms", "outcome", "HTTP", "reason", "answer")
        for attempt in notification.attempts:
            table.add_row(*map(cell, _attempt_row(attempt)))
        console.print(table)


def redeliver(door: Door, notification_ids: Sequence[str], *, as_json: bool) -> bool:
    """Sends notifications once more and says how many; true when all of them go.

    One that is not there, or was a test, keeps no other back.
    """
    stub = NotificationServiceStub(door.channel)
    count = 0
    for notification_id in notification_ids:
        request = RedeliverNotificationRequest(notification_id=notification_id)
        ask = partial(stub.RedeliverNotification, request, timeout=DEADLINE_S, metadata=door.metadata)
        try:
            notification = asked_until_there(ask)
        except grpc.RpcError as error:
            if error.code() not in _OF_THIS_ONE:
                raise
            print(f"{notification_id}: {explain(error)}", file=sys.stderr)
            continue
        count += 1
        if as_json:
            print(json_of(notification))
    if not as_json:
        _say_how_many(count)
    return count == len(notification_ids)


def redeliver_buried(door: Door, since: datetime, receiver: str | None, *, as_json: bool) -> None:
    """Sends all notifications once more that were buried since a moment, and says how many."""
    request = RedeliverBuriedRequest(since_time=timestamp(since), receiver_host=receiver or "")
    stub = NotificationServiceStub(door.channel)
    answer = stub.RedeliverBuried(request, timeout=POSTS_DEADLINE_S, metadata=door.metadata)
    if as_json:
        print(json_of(answer))
    else:
        _say_how_many(answer.count)


def send_test(door: Door, url: str, event: EventWord, *, as_json: bool) -> bool:
    """Posts a notification that tells of no call and prints what came of it; true when it was delivered."""
    request = SendTestNotificationRequest(url=url, event=value_of(CallEvent, event))
    stub = NotificationServiceStub(door.channel)
    notification = stub.SendTestNotification(request, timeout=POSTS_DEADLINE_S, metadata=door.metadata)
    is_delivered = notification.status == NotificationStatus.NOTIFICATION_STATUS_DELIVERED
    if as_json:
        print(json_of(notification, indent=2))
        return is_delivered
    console = wide_console()
    console.print("delivered" if is_delivered else "not delivered", style="green" if is_delivered else "red")
    told = [("notification", notification.notification_id)]
    for attempt in notification.attempts:
        told += [
            ("outcome", _outcome(attempt)),
            ("latency", f"{attempt.latency.ToMilliseconds()} ms"),
            ("reason", attempt.reason),
            ("answer", attempt.answer_head),
        ]
    console.print(_facts(told))
    return is_delivered


def print_receivers(door: Door, *, as_json: bool) -> None:
    """Prints the hosts that notifications go to: a table, or one JSON object a line."""
    stub = NotificationServiceStub(door.channel)
    table = _table("host", "state", "failing since (UTC)", "failures", "next probe (UTC)", "waiting calls", "reason")
    for receiver in stub.ListReceivers(ListReceiversRequest(), timeout=DEADLINE_S, metadata=door.metadata).receivers:
        if as_json:
            print(json_of(receiver))
        else:
            table.add_row(*map(cell, _receiver_row(receiver)))
    if not as_json:
        wide_console().print(table)


def _newest(door: Door, asked: ListNotificationsRequest, limit: int) -> Iterator[Notification]:
    stub = NotificationServiceStub(door.channel)
    while limit > 0:
        asked.page_size = min(limit, PAGE)
        page = stub.ListNotifications(asked, timeout=DEADLINE_S, metadata=door.metadata)
        yield from page.notifications
        limit -= len(page.notifications)
        asked.page_token = page.next_page_token
        if not page.next_page_token:
            return


def _row(notification: Notification) -> tuple[str, ...]:
    attempts = notification.attempts
    return (
        notification.notification_id,
        str(notification.call_session_id) if notification.call_session_id else "test",
        word_of(CallEvent, notification.event),
        word_of(NotificationStatus, notification.status),
        str(notification.attempt_count),
        _outcome(attempts[-1]) if attempts else "-",
        shown(notification.next_attempt_time) if notification.HasField("next_attempt_time") else "-",
        notification.receiver_host,
    )


def _told(notification: Notification) -> Iterator[tuple[str, str]]:
    """What is known of a notification, without what does not apply."""
    yield "notification", notification.notification_id
    if notification.is_test:
        yield "call", "none: it is a test"
    else:
        yield "call", f"{notification.call_session_id}, ext_id {notification.ext_id}"
    yield "event", f"{word_of(CallEvent, notification.event)}, at {shown(notification.event_time)} UTC"
    again = ", by request once more" if notification.is_redelivery else ""
    yield "status", word_of(NotificationStatus, notification.status) + again
    if notification.HasField("end_time"):
        yield "ended (UTC)", shown(notification.end_time)
    if notification.HasField("next_attempt_time"):
        yield "next try (UTC)", shown(notification.next_attempt_time)
    if notification.bury_reason:
        yield "reason", notification.bury_reason
    if notification.attempt_count > len(notification.attempts):
        yield "attempts", f"{notification.attempt_count:,}, of which the newest {len(notification.attempts)} are shown"
    yield "receiver", notification.receiver_host
    yield "link", notification.url


def _attempt_row(attempt: Attempt) -> tuple[str, ...]:
    return (
        str(attempt.number),
        shown(attempt.attempt_time),
        str(attempt.latency.ToMilliseconds()),
        word_of(AttemptOutcome, attempt.outcome),
        str(attempt.http_status) if attempt.HasField("http_status") else "-",
        attempt.reason,
        one_line(attempt.answer_head, ANSWER_COLUMNS),
    )


def _receiver_row(receiver: Receiver) -> tuple[str, ...]:
    return (
        receiver.host,
        word_of(ReceiverState, receiver.state),
        shown(receiver.failing_since_time) if receiver.HasField("failing_since_time") else "-",
        str(receiver.failures),
        shown(receiver.probe_time) if receiver.HasField("probe_time") else "-",
        str(receiver.waiting_calls),
        receiver.reason,
    )


def _outcome(attempt: Attempt) -> str:
    word = word_of(AttemptOutcome, attempt.outcome)
    return f"{word} {attempt.http_status}" if attempt.HasField("http_status") else word


def _say_how_many(count: int) -> None:
    print("1 notification waits again." if count == 1 else f"{count:,} notifications wait again.")


def _table(first: str, *columns: str) -> Table:
    """A table whose first column can be copied whole, however narrow the terminal is."""
    table = Table()
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column)
    return table


def _facts(told: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Table:
    facts = Table(show_header=False, box=None)
    for title, value in told:
        facts.add_row(title, cell(value))
    return facts
