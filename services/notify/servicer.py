"""notify's gRPC edge: messages in, domain values through, messages out."""

from datetime import UTC, timedelta

from calldock.intake.v1.call_pb2 import CallEvent
from calldock.media.v1.audio_pb2 import RecordingErrorCode
from calldock.notify.internal.v1 import delivery_service_pb2, delivery_service_pb2_grpc
from calldock.notify.v1 import notification_pb2, notification_service_pb2, notification_service_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from services.notify.enqueue import Enqueueing
from services.notify.notification import NewNotification
from services.notify.payload import Event
from services.notify.readback import Readback, scope_of
from services.notify.secrets import Secrets
from services.notify.store.reading import StoredNotification
from services.notify.store.tables import AttemptRow
from services.shared.paging import Page, fitting, page_token_below
from services.shared.rpc.identity import current_identity
from services.shared.rpc.status import Context
from services.shared.rpc.values import timestamp, value_of, word_of


class NotificationServicer(notification_service_pb2_grpc.NotificationServiceServicer):
    """NotificationService."""

    def __init__(self, readback: Readback) -> None:
        self._readback = readback

    async def ListNotifications(
        self, request: notification_service_pb2.ListNotificationsRequest, context: Context
    ) -> notification_service_pb2.ListNotificationsResponse:
        call_session_id = request.call_session_id if request.HasField("call_session_id") else None
        page = await self._readback.page(
            current_identity().account_id, request.page_size, request.page_token, call_session_id
        )
        shown = fitting(
            Page([_notification(stored) for stored in page.items], page.next_page_token),
            lambda notification: page_token_below(scope_of(call_session_id), notification.notification_id),
        )
        return notification_service_pb2.ListNotificationsResponse(
            notifications=shown.items, next_page_token=shown.next_page_token
        )


class DeliveryServicer(delivery_service_pb2_grpc.DeliveryServiceServicer):
    """DeliveryService."""

    def __init__(self, enqueueing: Enqueueing, secrets: Secrets) -> None:
        self._enqueueing = enqueueing
        self._secrets = secrets

    async def EnqueueNotifications(
        self, request: delivery_service_pb2.EnqueueNotificationsRequest, context: Context
    ) -> delivery_service_pb2.EnqueueNotificationsResponse:
        await self._enqueueing.enqueue([_new(draft) for draft in request.notifications])
        return delivery_service_pb2.EnqueueNotificationsResponse()

    async def EnsureSecret(
        self, request: delivery_service_pb2.EnsureSecretRequest, context: Context
    ) -> delivery_service_pb2.EnsureSecretResponse:
        return delivery_service_pb2.EnsureSecretResponse(secret=await self._secrets.ensure(request.account_id))


def _new(draft: delivery_service_pb2.NotificationDraft) -> NewNotification:
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
    )


def _notification(stored: StoredNotification) -> notification_pb2.Notification:
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
        next_attempt_time=None if row.next_attempt_time is None else timestamp(row.next_attempt_time),
        attempts=map(_attempt, stored.attempts),
    )


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
    )
