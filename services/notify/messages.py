"""Between notify's messages and its domain values. No rule lives here."""

from datetime import UTC, datetime, timedelta

from calldock.intake.v1.call_pb2 import CallEvent
from calldock.media.v1.audio_pb2 import RecordingErrorCode
from calldock.notify.internal.v1 import delivery_service_pb2
from calldock.notify.v1 import notification_pb2, notification_service_pb2, webhook_service_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.notify.breaker import ReceiverHealth
from services.notify.custom_headers import EVERY_HOST, CustomHeaders
from services.notify.notification import NewNotification
from services.notify.payload import Event
from services.notify.secrets import SigningSecret
from services.notify.store.reading import NotificationFilter, StoredNotification
from services.notify.store.receivers import StoredReceiver
from services.notify.store.tables import AttemptRow
from services.shared.rpc.values import read_moment, timestamp, value_of, word_of


def read_draft(draft: delivery_service_pb2.NotificationDraft) -> NewNotification:
    """A notification as intake hands it over."""
    return NewNotification(
        notification_id=draft.notification_id,
        account_id=draft.account_id,
        seq=draft.seq,
        previous_seq=draft.previous_seq,
        url=draft.url,
        event=Event(
            name=word_of(CallEvent, draft.event),
            ext_id=draft.ext_id,
            call_session_id=draft.call_session_id,
            event_time=draft.event_time.ToDatetime(tzinfo=UTC),
            error_code=word_of(RecordingErrorCode, draft.error_code) if draft.error_code else None,
            error_message=draft.error_message,
        ),
        traceparent=draft.traceparent or None,
    )


def read_filter(request: notification_service_pb2.ListNotificationsRequest) -> NotificationFilter:
    """Which notifications are asked for. Raises Refusal for a moment beyond what a calendar holds."""
    return NotificationFilter(
        call_session_id=request.call_session_id if request.HasField("call_session_id") else None,
        status=word_of(notification_pb2.NotificationStatus, request.status) if request.status else None,
        event=word_of(CallEvent, request.event) if request.event else None,
        receiver_host=request.receiver_host or None,
        from_time=read_moment(request.from_time, "from_time") if request.HasField("from_time") else None,
        until_time=read_moment(request.until_time, "until_time") if request.HasField("until_time") else None,
    )


def notification_message(stored: StoredNotification) -> notification_pb2.Notification:
    """A notification with its newest attempts."""
    row = stored.row
    return notification_pb2.Notification(
        notification_id=row.notification_id,
        call_session_id=row.call_session_id,
        ext_id=row.ext_id,
        seq=row.seq,
        event=value_of(CallEvent, row.event),
        url=row.url,
        body=row.body,
        status=value_of(notification_pb2.NotificationStatus, row.status),
        event_time=timestamp(row.event_time),
        next_attempt_time=_moment(row.next_attempt_time),
        attempts=map(_attempt, stored.attempts),
        receiver_host=stored.receiver_host,
        end_time=_moment(row.end_time),
        bury_reason=row.bury_reason,
        is_redelivery=row.is_redelivery,
        is_test=row.is_test,
        attempt_count=row.attempts,
    )


def receiver_message(stored: StoredReceiver) -> notification_pb2.Receiver:
    """A receiver, and how it stands."""
    health = stored.receiver.health
    return notification_pb2.Receiver(
        host=stored.receiver.host,
        state=_state(health),
        failing_since_time=_moment(health.failing_since),
        failures=health.failures,
        reason=health.reason,
        probe_time=_moment(health.probe_time),
        last_delivered_time=_moment(health.last_delivered_time),
        waiting_calls=stored.waiting_calls,
    )


def secret_message(secret: SigningSecret) -> webhook_service_pb2.SigningSecret:
    """A signing secret, without its text."""
    return webhook_service_pb2.SigningSecret(
        secret_id=secret.secret_id,
        scheme=value_of(webhook_service_pb2.SignatureScheme, secret.scheme),
        public_key=secret.public_key,
        create_time=timestamp(secret.create_time),
        expire_time=_moment(secret.expire_time),
    )


def headers_message(custom: CustomHeaders, set_time: datetime | None) -> webhook_service_pb2.ListCustomHeadersResponse:
    """The names of custom headers, without their values, and the hosts that get them."""
    return webhook_service_pb2.ListCustomHeadersResponse(
        names=custom.headers,
        set_time=_moment(set_time),
        receiver_hosts=custom.receiver_hosts or ([EVERY_HOST] if custom.headers else ()),
    )


def _state(health: ReceiverHealth) -> notification_pb2.ReceiverState.ValueType:
    if health.probe_time is not None:
        return notification_pb2.RECEIVER_STATE_PAUSED
    return notification_pb2.RECEIVER_STATE_FAILING if health.failures else notification_pb2.RECEIVER_STATE_HEALTHY


def _attempt(row: AttemptRow) -> notification_pb2.Attempt:
    latency = Duration()
    latency.FromTimedelta(timedelta(milliseconds=row.latency_ms))
    return notification_pb2.Attempt(
        number=row.number,
        attempt_time=timestamp(row.attempt_time),
        latency=latency,
        outcome=value_of(notification_pb2.AttemptOutcome, row.outcome),
        http_status=row.http_status,
        reason=row.reason,
        answer_head=row.answer_head,
    )


def _moment(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)
