"""intake, as media sees it: whose token it is, and where a recording lies."""

from calldock.intake.internal.v1.identity_service_pb2 import AuthenticateRequest
from calldock.intake.internal.v1.identity_service_pb2_grpc import IdentityServiceStub
from calldock.intake.internal.v1.recording_index_service_pb2 import GetAudioObjectRequest
from calldock.intake.internal.v1.recording_index_service_pb2_grpc import RecordingIndexServiceStub
from calldock.intake.v1.account_pb2 import Role as RoleMessage
from pydantic import SecretStr

from services.shared.identity import AccountId, Identity, Role
from services.shared.rpc.dial import dial, internal_metadata, peer_trouble

INTAKE_DEADLINE_S = 5.0


class Intake:
    """Raises Trouble when intake is away."""

    def __init__(self, address: str, key: SecretStr | None) -> None:
        self._channel = dial(address)
        self._identity = IdentityServiceStub(self._channel)
        self._index = RecordingIndexServiceStub(self._channel)
        self._metadata = internal_metadata(key)

    async def authenticate(self, sha256: bytes) -> Identity:
        """Whose token has this hash. Raises Refusal access_token_* and account_inactive."""
        with peer_trouble("intake"):
            answer = await self._identity.Authenticate(
                AuthenticateRequest(token_sha256=sha256), timeout=INTAKE_DEADLINE_S, metadata=self._metadata
            )
        return Identity(
            account_id=AccountId(answer.account_id),
            role=Role(RoleMessage.Name(answer.role).removeprefix("ROLE_").lower()),
            allowed_networks=tuple(answer.allowed_networks),
        )

    async def audio_key(self, account_id: AccountId, recording_id: int) -> str:
        """The key of the account's recording's MP3. Raises Refusal entity_not_found."""
        request = GetAudioObjectRequest(account_id=account_id, recording_id=recording_id)
        with peer_trouble("intake"):
            answer = await self._index.GetAudioObject(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)
        return answer.key

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()
