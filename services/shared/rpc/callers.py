"""Callers of a service's public methods, as intake knows them: whose token it is, and what the account may still spend."""

from calldock.intake.internal.v1.identity_service_pb2 import AuthenticateRequest
from calldock.intake.internal.v1.identity_service_pb2_grpc import IdentityServiceStub
from calldock.intake.internal.v1.points_service_pb2 import (
    RefundPointsRequest,
    SpendPointsRequest,
    SpendPointsResponse,
)
from calldock.intake.internal.v1.points_service_pb2_grpc import PointsServiceStub
from calldock.intake.v1.account_pb2 import Role as RoleMessage
from grpc import aio

from services.shared.identity import AccountId, Identity, Role
from services.shared.rpc.dial import peer_trouble
from services.shared.rpc.values import word_of

DEADLINE_S = 5.0


class Callers:
    """Asks intake over a channel of the service's peers. Raises Trouble when intake is away."""

    def __init__(self, channel: aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._identity = IdentityServiceStub(channel)
        self._points = PointsServiceStub(channel)
        self._metadata = metadata

    async def authenticate(self, sha256: bytes, acting_for: AccountId | None) -> Identity:
        """Whose token has this hash. Raises Refusal access_token_*, forbidden and account_inactive."""
        request = AuthenticateRequest(token_sha256=sha256, acting_for=acting_for or 0)
        with peer_trouble("intake"):
            answer = await self._identity.Authenticate(request, timeout=DEADLINE_S, metadata=self._metadata)
        return Identity(
            account_id=AccountId(answer.account_id),
            role=Role(word_of(RoleMessage, answer.role)),
            allowed_networks=tuple(answer.allowed_networks),
            has_limits=answer.has_limits,
        )

    async def spend(self, account_id: AccountId, points: int) -> SpendPointsResponse:
        """Takes points. Raises Refusal limit_exceeded."""
        request = SpendPointsRequest(account_id=account_id, points=points)
        with peer_trouble("intake"):
            return await self._points.SpendPoints(request, timeout=DEADLINE_S, metadata=self._metadata)

    async def refund(self, account_id: AccountId, points: int, taken: SpendPointsResponse) -> None:
        """Gives points back."""
        if not taken.HasField("spend_time"):
            return
        request = RefundPointsRequest(account_id=account_id, points=points, spend_time=taken.spend_time)
        with peer_trouble("intake"):
            await self._points.RefundPoints(request, timeout=DEADLINE_S, metadata=self._metadata)
