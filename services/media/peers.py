"""intake, as media sees it: who calls, whether a one-time link was used, where a recording lies, what its account wants."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from calldock.intake.internal.v1.one_time_link_service_pb2 import TakeLinkRequest
from calldock.intake.internal.v1.one_time_link_service_pb2_grpc import OneTimeLinkServiceStub
from calldock.intake.internal.v1.recording_index_service_pb2 import (
    DropUploadRequest,
    GetAudioObjectRequest,
    GetAudioRulesRequest,
    GetHostCredentialRequest,
    GetSourceObjectRequest,
    RegisterUploadRequest,
)
from calldock.intake.internal.v1.recording_index_service_pb2_grpc import RecordingIndexServiceStub
from calldock.media.internal.v1.processing_service_pb2 import AudioRules as AudioRulesMessage
from calldock.media.internal.v1.processing_service_pb2 import HostCredential as HostCredentialMessage
from calldock.media.v1.audio_pb2 import AudioRule as AudioRuleMessage
from calldock.media.v1.audio_pb2 import RecordingFormat as RecordingFormatMessage
from calldock.media.v1.audio_pb2 import RulePolicy as RulePolicyMessage
from pydantic import SecretStr

from services.media.credential import HostCredential
from services.media.digest import Digests
from services.media.verdict import AudioRule, AudioRules, RecordingFormat, RulePolicy
from services.shared.identity import AccountId
from services.shared.rpc.callers import Callers
from services.shared.rpc.dial import dial, internal_metadata, peer_trouble
from services.shared.rpc.tls import PeerTls
from services.shared.rpc.values import timestamp, value_of, word_of
from services.shared.sessions import Code

INTAKE_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Registered:
    """The id and the key of a file that was handed over, and until when a call has to name it."""

    upload_id: str
    key: str
    expire_time: datetime


class Intake:
    """Raises Trouble when intake is away."""

    def __init__(self, address: str, key: SecretStr | None, tls: PeerTls | None) -> None:
        self._channel = dial(address, "intake", tls)
        self._index = RecordingIndexServiceStub(self._channel)
        self._links = OneTimeLinkServiceStub(self._channel)
        self._metadata = internal_metadata(key)
        self.callers = Callers(self._channel, self._metadata)

    async def audio_key(self, account_id: AccountId, recording_id: int) -> str:
        """The key of the account's recording's MP3. Raises Refusal entity_not_found."""
        request = GetAudioObjectRequest(account_id=account_id, recording_id=recording_id)
        with peer_trouble("intake"):
            answer = await self._index.GetAudioObject(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)
        return answer.key

    async def audio_rules(self, account_id: AccountId) -> AudioRules:
        """The rules by which the account's recordings are judged at the moment."""
        with peer_trouble("intake"):
            rules = await self._index.GetAudioRules(
                GetAudioRulesRequest(account_id=account_id), timeout=INTAKE_DEADLINE_S, metadata=self._metadata
            )
        return read_rules(rules)

    async def source_object(self, account_id: AccountId, recording_id: int) -> tuple[str, RecordingFormat]:
        """The key of the account's recording's file as it came, and its kind. Raises Refusal entity_not_found."""
        request = GetSourceObjectRequest(account_id=account_id, recording_id=recording_id)
        with peer_trouble("intake"):
            answer = await self._index.GetSourceObject(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)
        return answer.key, RecordingFormat(word_of(RecordingFormatMessage, answer.format))

    async def register_upload(
        self, account_id: AccountId, kind: RecordingFormat, size_bytes: int, digests: Digests
    ) -> Registered:
        """Announces a file that is about to be stored. Raises Refusal limit_exceeded."""
        request = RegisterUploadRequest(
            account_id=account_id,
            format=value_of(RecordingFormatMessage, kind),
            size_bytes=size_bytes,
            sha256=digests.sha256,
            sha512=digests.sha512,
        )
        with peer_trouble("intake"):
            answer = await self._index.RegisterUpload(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)
        return Registered(answer.upload_id, answer.key, answer.expire_time.ToDatetime(tzinfo=UTC))

    async def drop_upload(self, account_id: AccountId, upload_id: str) -> None:
        """Takes back a file that could not be stored."""
        request = DropUploadRequest(account_id=account_id, upload_id=upload_id)
        with peer_trouble("intake"):
            await self._index.DropUpload(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)

    async def take_link(self, account_id: AccountId, link: Code) -> bool:
        """Uses a one-time link up; whether that was its first use. Raises Refusal limit_exceeded. Whoever hears Trouble or PeerFailed does not know: it may be used up."""
        request = TakeLinkRequest(
            link_id=link.link_id,
            account_id=account_id,
            expire_time=timestamp(link.expire_time),
            request_id=str(uuid.uuid4()),
        )
        with peer_trouble("intake"):
            answer = await self._links.TakeLink(request, timeout=INTAKE_DEADLINE_S, metadata=self._metadata)
        return answer.is_first

    async def host_credential(self, account_id: AccountId, url: str) -> HostCredential | None:
        """What the host of a link wants to see from the account."""
        with peer_trouble("intake"):
            answer = await self._index.GetHostCredential(
                GetHostCredentialRequest(account_id=account_id, url=url),
                timeout=INTAKE_DEADLINE_S,
                metadata=self._metadata,
            )
        return read_credential(answer.credential) if answer.HasField("credential") else None

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()


def read_credential(message: HostCredentialMessage) -> HostCredential:
    """A credential as intake sends it."""
    return HostCredential(
        host=message.host, port=message.port, header_name=message.header_name, header_value=message.header_value
    )


def read_rules(message: AudioRulesMessage) -> AudioRules:
    """Rules as intake sends them."""
    return AudioRules(
        version=message.version,
        max_size_bytes=message.max_size_bytes,
        min_duration_s=message.min_duration.ToTimedelta().total_seconds(),
        min_snr_db=message.min_snr_db,
        content_types={
            RecordingFormat.WAV: frozenset(message.wav_content_types),
            RecordingFormat.MP3: frozenset(message.mp3_content_types),
        },
        takes_mp3_without_id3=message.takes_mp3_without_id3,
        policies={
            AudioRule(word_of(AudioRuleMessage, each.rule)): RulePolicy(word_of(RulePolicyMessage, each.policy))
            for each in message.policies
        },
    )
