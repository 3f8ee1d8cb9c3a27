"""intake, as media sees it: who calls, and where a recording lies."""

from calldock.intake.internal.v1.recording_index_service_pb2 import GetAudioObjectRequest
from calldock.intake.internal.v1.recording_index_service_pb2_grpc import RecordingIndexServiceStub
from pydantic import SecretStr

from services.shared.identity import AccountId
from services.shared.rpc.callers import Callers
from services.shared.rpc.dial import dial, internal_metadata, peer_trouble

INTAKE_DEADLINE_S = 5.0


class Intake:
    """Raises Trouble when intake is away."""

    def __init__(self, address: str, key: SecretStr | None) -> None:
        self._channel = dial(address)
        self._index = RecordingIndexServiceStub(self._channel)
        self._metadata = internal_metadata(key)
        self.callers = Callers(self._channel, self._metadata)

    async def audio_key(self, account_id: AccountId, recording_id: int) -> str:
        """The key of the account's recording's MP3. Raises Refusal entity_not_found."""
        request = GetAudioObjectRequest(account_id=account_id, recording_id=recording_id)
        with peer_trouble("intake"):
            answer = await self._index.GetAudioObject(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)
        return answer.key

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()
