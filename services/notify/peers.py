"""intake, as notify sees it: whose token it is."""

from calldock.intake.internal.v1.identity_service_pb2 import AuthenticateRequest
from calldock.intake.internal.v1.identity_service_pb2_grpc import IdentityServiceStub
from calldock.intake.v1.account_pb2 import Role as RoleMessage
from pydantic import SecretStr

from services.shared.identity import AccountId, Identity, Role
from services.shared.rpc.dial import dial, internal_metadata, peer_trouble

IDENTITY_DEADLINE_S = 5.0


class Intake:
    """Raises Trouble when intake is away."""

    def __init__(self, address: str, key: SecretStr | None) -> None:
        self._channel = dial(address)
        self._stub = IdentityServiceStub(self._channel)
        self._metadata = internal_metadata(key)

    async def authenticate(self, sha256: bytes) -> Identity:
        """Whose token has this hash. Raises Refusal access_token_* and account_inactive."""
        with peer_trouble("intake"):
            answer = await self._stub.Authenticate(
                AuthenticateRequest(token_sha256=sha256), timeout=IDENTITY_DEADLINE_S, metadata=self._metadata
            )
        return Identity(
            account_id=AccountId(answer.account_id),
            role=Role(RoleMessage.Name(answer.role).removeprefix("ROLE_").lower()),
            allowed_networks=tuple(answer.allowed_networks),
        )

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()
