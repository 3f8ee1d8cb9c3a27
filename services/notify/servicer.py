"""notify's gRPC edge: messages in, domain values through, messages out."""

from calldock.intake.v1.call_pb2 import CallEvent
from calldock.notify.internal.v1 import delivery_service_pb2, delivery_service_pb2_grpc
from calldock.notify.v1 import (
    notification_pb2,
    notification_service_pb2,
    notification_service_pb2_grpc,
    webhook_service_pb2,
    webhook_service_pb2_grpc,
)

from services.notify.enqueue import Enqueueing
from services.notify.messages import (
    headers_message,
    notification_message,
    read_draft,
    read_filter,
    receiver_message,
    secret_message,
)
from services.notify.readback import Readback, scope_of
from services.notify.redeliver import Redelivery
from services.notify.secrets import Secrets, overlap_of
from services.notify.signature import SignatureScheme
from services.notify.trial import Trials
from services.shared.paging import Page, fitting, page_token_below
from services.shared.rpc.identity import current_identity
from services.shared.rpc.status import Context
from services.shared.rpc.values import read_moment, word_of


class NotificationServicer(notification_service_pb2_grpc.NotificationServiceServicer):
    """NotificationService."""

    def __init__(self, readback: Readback, redelivery: Redelivery, trials: Trials) -> None:
        self._readback = readback
        self._redelivery = redelivery
        self._trials = trials

    async def ListNotifications(
        self, request: notification_service_pb2.ListNotificationsRequest, context: Context
    ) -> notification_service_pb2.ListNotificationsResponse:
        wanted = read_filter(request)
        page = await self._readback.page(current_identity().account_id, request.page_size, request.page_token, wanted)
        shown = fitting(
            Page([notification_message(stored) for stored in page.items], page.next_page_token),
            lambda notification: page_token_below(scope_of(wanted), notification.notification_id),
        )
        return notification_service_pb2.ListNotificationsResponse(
            notifications=shown.items, next_page_token=shown.next_page_token
        )

    async def GetNotification(
        self, request: notification_service_pb2.GetNotificationRequest, context: Context
    ) -> notification_pb2.Notification:
        return await self._get(request.notification_id)

    async def RedeliverNotification(
        self, request: notification_service_pb2.RedeliverNotificationRequest, context: Context
    ) -> notification_pb2.Notification:
        await self._redelivery.redeliver(current_identity().account_id, _id(request.notification_id))
        return await self._get(request.notification_id)

    async def RedeliverBuried(
        self, request: notification_service_pb2.RedeliverBuriedRequest, context: Context
    ) -> notification_service_pb2.RedeliverBuriedResponse:
        since = read_moment(request.since_time, "since_time")
        count = await self._redelivery.redeliver_buried(
            current_identity().account_id, since, request.receiver_host or None
        )
        return notification_service_pb2.RedeliverBuriedResponse(count=count)

    async def SendTestNotification(
        self, request: notification_service_pb2.SendTestNotificationRequest, context: Context
    ) -> notification_pb2.Notification:
        event = word_of(CallEvent, request.event) if request.event else "processed"
        return notification_message(await self._trials.send(current_identity().account_id, request.url, event))

    async def ListReceivers(
        self, request: notification_service_pb2.ListReceiversRequest, context: Context
    ) -> notification_service_pb2.ListReceiversResponse:
        found = await self._readback.receivers(current_identity().account_id)
        return notification_service_pb2.ListReceiversResponse(receivers=map(receiver_message, found))

    async def _get(self, notification_id: str) -> notification_pb2.Notification:
        return notification_message(await self._readback.get(current_identity().account_id, _id(notification_id)))


class WebhookServicer(webhook_service_pb2_grpc.WebhookServiceServicer):
    """WebhookService."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def ListSigningSecrets(
        self, request: webhook_service_pb2.ListSigningSecretsRequest, context: Context
    ) -> webhook_service_pb2.ListSigningSecretsResponse:
        found = await self._secrets.list_all(current_identity().account_id)
        return webhook_service_pb2.ListSigningSecretsResponse(signing_secrets=map(secret_message, found))

    async def RotateSigningSecret(
        self, request: webhook_service_pb2.RotateSigningSecretRequest, context: Context
    ) -> webhook_service_pb2.RotateSigningSecretResponse:
        scheme = SignatureScheme.HMAC_SHA256
        if request.scheme:
            scheme = SignatureScheme(word_of(webhook_service_pb2.SignatureScheme, request.scheme))
        asked = request.overlap.ToTimedelta() if request.HasField("overlap") else None
        overlap = overlap_of(asked, end_others_now=request.end_others_now)
        made, text = await self._secrets.rotate(current_identity().account_id, scheme, overlap)
        return webhook_service_pb2.RotateSigningSecretResponse(signing_secret=secret_message(made), secret=text)

    async def ListCustomHeaders(
        self, request: webhook_service_pb2.ListCustomHeadersRequest, context: Context
    ) -> webhook_service_pb2.ListCustomHeadersResponse:
        return headers_message(*await self._secrets.headers(current_identity().account_id))

    async def SetCustomHeaders(
        self, request: webhook_service_pb2.SetCustomHeadersRequest, context: Context
    ) -> webhook_service_pb2.SetCustomHeadersResponse:
        headers = [(header.name, header.value) for header in request.headers]
        await self._secrets.set_headers(current_identity().account_id, headers, request.receiver_hosts)
        return webhook_service_pb2.SetCustomHeadersResponse()

    async def DeleteCustomHeaders(
        self, request: webhook_service_pb2.DeleteCustomHeadersRequest, context: Context
    ) -> webhook_service_pb2.DeleteCustomHeadersResponse:
        await self._secrets.delete_headers(current_identity().account_id)
        return webhook_service_pb2.DeleteCustomHeadersResponse()


class DeliveryServicer(delivery_service_pb2_grpc.DeliveryServiceServicer):
    """DeliveryService."""

    def __init__(self, enqueueing: Enqueueing, secrets: Secrets) -> None:
        self._enqueueing = enqueueing
        self._secrets = secrets

    async def EnqueueNotifications(
        self, request: delivery_service_pb2.EnqueueNotificationsRequest, context: Context
    ) -> delivery_service_pb2.EnqueueNotificationsResponse:
        await self._enqueueing.enqueue([read_draft(draft) for draft in request.notifications])
        return delivery_service_pb2.EnqueueNotificationsResponse()

    async def EraseCalls(
        self, request: delivery_service_pb2.EraseCallsRequest, context: Context
    ) -> delivery_service_pb2.EraseCallsResponse:
        await self._enqueueing.erase(request.call_session_ids)
        return delivery_service_pb2.EraseCallsResponse()

    async def ForgetNotifications(
        self, request: delivery_service_pb2.ForgetNotificationsRequest, context: Context
    ) -> delivery_service_pb2.ForgetNotificationsResponse:
        wanted = [(each.account_id, read_moment(each.ended_before, "ended_before")) for each in request.accounts]
        unfinished = await self._enqueueing.forget(wanted)
        return delivery_service_pb2.ForgetNotificationsResponse(unfinished_account_ids=unfinished)

    async def EnsureSecret(
        self, request: delivery_service_pb2.EnsureSecretRequest, context: Context
    ) -> delivery_service_pb2.EnsureSecretResponse:
        return delivery_service_pb2.EnsureSecretResponse(secret=await self._secrets.ensure(request.account_id))


def _id(text: str) -> str:
    """The id as it is stored, whatever the case in which it came."""
    return text.lower()
