"""Notifications read back: the newest of many attempts, and what a list costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any, Concatenate, ParamSpec

import pytest
from sqlalchemy import Connection, event

from services.notify.messages import notification_message
from services.notify.store.attempts import attempts_of
from services.notify.store.queue import enqueue
from services.notify.store.reading import NotificationFilter, find_notification, list_notifications
from services.notify.store.redelivery import redeliver
from services.shared.db.database import Database
from services.shared.db.engine import SqliteDatabase
from tests.support.makers import NOON
from tests.support.notifying import FAILED, OK, a_notification, listed, settle_next

P = ParamSpec("P")


async def test_of_many_attempts_the_newest_hundred_are_read_and_all_are_counted(notify_db: Database) -> None:
    often, once = a_notification(1, call=1), a_notification(1, call=2)
    await notify_db.write(enqueue, [often], NOON)
    for _ in range(103):
        assert await settle_next(notify_db, FAILED) == often.notification_id
        await notify_db.write(redeliver, 1, often.notification_id, NOON)
    await settle_next(notify_db, OK)
    await notify_db.write(enqueue, [once], NOON)
    await settle_next(notify_db, FAILED)

    found = await notify_db.read(find_notification, 1, often.notification_id)
    shown = [notification_message(stored) for stored in await listed(notify_db)]

    assert found is not None
    assert [attempt.number for attempt in found.attempts] == list(range(5, 105))
    assert [attempt.outcome for attempt in found.attempts[-2:]] == ["http_status", "delivered"]
    assert [(each.attempt_count, len(each.attempts)) for each in shown] == [(104, 100), (1, 1)]


async def test_the_list_of_a_call_has_its_notifications_newest_first_and_no_others(notify_db: Database) -> None:
    new = [a_notification(seq, call) for call in (1, 2) for seq in (1, 2, 3)]
    await notify_db.write(enqueue, [*new, a_notification(1, 3, account=2)], NOON)

    async def ids(call: int, most: int = 10, below: str | None = None, **fields: Any) -> list[str]:
        wanted = NotificationFilter(call_session_id=call, **fields)
        found = await notify_db.read(list_notifications, 1, most, below, wanted)
        return [each.row.notification_id for each in found]

    expected = [each.notification_id for each in reversed(new[:3])]
    assert await ids(1) == expected
    assert await ids(1, 2) == expected[:2]
    assert await ids(1, below=expected[0]) == expected[1:]
    assert await ids(1, receiver_host="x", status="waiting") == expected
    assert await ids(1, receiver_host="y") == []
    assert await ids(3) == []


FILTERS: dict[str, list[Any]] = {
    "status": [None, "waiting", "delivered"],
    "event": [None, "error"],
    "receiver_host": [None, "x"],
    "from_time": [None, NOON],
    "until_time": [None, NOON],
}


@contextmanager
def statements(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """What is run on a connection, with its values."""
    run: list[tuple[str, Any]] = []

    def keep(connection: Connection, cursor: Any, statement: str, values: Any, context: Any, is_many: bool) -> None:
        run.append((statement, values))

    event.listen(connection, "before_cursor_execute", keep)
    yield run
    event.remove(connection, "before_cursor_execute", keep)


def plan_of(
    db: SqliteDatabase, mark: str, read: Callable[Concatenate[Connection, P], object], *args: P.args, **kwargs: P.kwargs
) -> list[str]:
    """How SQLite goes about the statement that holds a mark."""
    with db.engine.connect() as connection:
        with statements(connection) as run:
            read(connection, *args, **kwargs)
        ((statement, values),) = [each for each in run if mark in each[0]]
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize("below", [None, "01890a5d-ac96-774b-bcce-b302099a8057"], ids=["first page", "next page"])
def test_the_list_of_a_call_reads_that_call_alone_whatever_else_is_asked(
    notify_sqlite: SqliteDatabase, below: str | None
) -> None:
    for values in product(*FILTERS.values()):
        wanted = NotificationFilter(call_session_id=7, **dict(zip(FILTERS, values, strict=True)))

        read = partial(list_notifications, account_id=1, most=100, below=below, wanted=wanted)
        plan = plan_of(notify_sqlite, "FROM notifications", read)

        assert plan[0] == "SEARCH notifications USING INDEX notifications_line (call_session_id=?)", wanted


def test_attempts_that_are_not_shown_are_not_read(notify_sqlite: SqliteDatabase) -> None:
    plan = plan_of(notify_sqlite, "FROM attempts", lambda connection: attempts_of(connection, ["a", "b"]))

    assert plan[1:] == ["SEARCH attempts USING PRIMARY KEY (notification_id=? AND number>?)"]
