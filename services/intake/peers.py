"""The other services, as intake sees them: media fetches and judges recordings, notify delivers notifications."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from calldock.intake.v1.call_pb2 import CallEvent
from calldock.media.internal.v1.processing_service_pb2 import (
    AudioRules,
    AudioTags,
    DeleteObjectsRequest,
    FetchRecordingRequest,
    ProcessRecordingRequest,
)
from calldock.media.internal.v1.processing_service_pb2 import Fault as FaultMessage
from calldock.media.internal.v1.processing_service_pb2 import HostCredential as HostCredentialMessage
from calldock.media.internal.v1.processing_service_pb2_grpc import ProcessingServiceStub
from calldock.media.v1.audio_pb2 import (
    AudioChannel,
    AudioRule,
    AudioRulePolicy,
    RecordingErrorCode,
    RecordingFormat,
    RulePolicy,
)
from calldock.notify.internal.v1.delivery_service_pb2 import (
    EnqueueNotificationsRequest,
    EnsureSecretRequest,
    EraseCallsRequest,
    ForgetNotificationsRequest,
    NotificationDraft,
)
from calldock.notify.internal.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from pydantic import SecretStr

from services.intake.audio_settings import AudioSettings
from services.intake.recording import Fault, RecordingWork, Source, Verdict
from services.intake.recording_host import HostCredential
from services.intake.store.tables import OutboxRow
from services.shared.rpc.dial import dial, internal_metadata, peer_trouble
from services.shared.rpc.tls import PeerTls
from services.shared.rpc.values import timestamp, value_of, word_of

FETCH_DEADLINE_S = 90.0
"""Above media's own limit for a download and for the object store's answer."""
PROCESS_DEADLINE_S = 150.0
DELETE_DEADLINE_S = 60.0
NOTIFY_DEADLINE_S = 10.0

MAX_SIZE_BYTES = 50 * 1024 * 1024
MIN_DURATION_S = 16
MIN_SNR_DB = 15.0
"""The contract's limits (6)."""


def audio_rules(audio: AudioSettings) -> AudioRules:
    """The contract's limits with the account's settings, sent whole with each step."""
    return AudioRules(
        version=audio.version,
        max_size_bytes=MAX_SIZE_BYTES,
        min_duration=Duration(seconds=MIN_DURATION_S),
        min_snr_db=MIN_SNR_DB,
        wav_content_types=audio.wav_content_types,
        mp3_content_types=audio.mp3_content_types,
        takes_mp3_without_id3=audio.takes_mp3_without_id3,
        policies=policy_messages(audio),
    )


def credential_message(credential: HostCredential) -> HostCredentialMessage:
    """What lets us in, as media takes it."""
    return HostCredentialMessage(
        host=credential.at.host,
        port=credential.at.port,
        header_name=credential.header.name,
        header_value=credential.header.value,
    )


def policy_messages(audio: AudioSettings) -> list[AudioRulePolicy]:
    """What comes of rules, as proto."""
    return [
        AudioRulePolicy(rule=value_of(AudioRule, rule), policy=value_of(RulePolicy, policy))
        for rule, policy in audio.policies
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTags:
    """What an MP3 says of its call."""

    ext_id: str
    call_session_id: int
    start_time: datetime


class Media:
    """Fetches and judges. Raises Trouble when media is away, Busy when it has no room."""

    def __init__(self, address: str, key: SecretStr | None, tls: PeerTls | None) -> None:
        self._channel = dial(address, "media", tls)
        self._stub = ProcessingServiceStub(self._channel)
        self._metadata = internal_metadata(key)

    async def fetch(
        self, recording: RecordingWork, target_key: str, audio: AudioSettings, credential: HostCredential | None
    ) -> Source | Fault:
        """Downloads a recording under the key, with what its host wants to see; a Fault when it is not to be had."""
        request = FetchRecordingRequest(
            url=recording.url,
            format=value_of(RecordingFormat, recording.format),
            target_key=target_key,
            rules=audio_rules(audio),
            credential=None if credential is None else credential_message(credential),
        )
        with peer_trouble("media"):
            answer = await self._stub.FetchRecording(request, timeout=FETCH_DEADLINE_S, metadata=self._metadata)
        if answer.WhichOneof("outcome") == "source":
            source = answer.source
            return Source(key=target_key, size_bytes=source.size_bytes, sha256=source.sha256, sha512=source.sha512)
        return _fault(answer.fault)

    async def process(self, recording: RecordingWork, target_key: str, tags: CallTags, audio: AudioSettings) -> Verdict:
        """Judges a fetched recording and writes its MP3 under the key when it is fit."""
        request = ProcessRecordingRequest(
            source_key=recording.source_key or "",
            format=value_of(RecordingFormat, recording.format),
            target_key=target_key,
            rules=audio_rules(audio),
            tags=AudioTags(
                ext_id=tags.ext_id, call_session_id=tags.call_session_id, start_time=timestamp(tags.start_time)
            ),
            employee_channel=value_of(AudioChannel, recording.employee_channel),
        )
        with peer_trouble("media"):
            answer = await self._stub.ProcessRecording(request, timeout=PROCESS_DEADLINE_S, metadata=self._metadata)
        return Verdict(
            fault=_fault(answer.fault) if answer.HasField("fault") else None,
            report=MessageToDict(answer.report, preserving_proto_field_name=True)
            if answer.HasField("report")
            else None,
            audio_key=answer.audio.key if answer.HasField("audio") else None,
            audio_size_bytes=answer.audio.size_bytes if answer.HasField("audio") else None,
        )

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects; one that is not there is passed over."""
        with peer_trouble("media"):
            await self._stub.DeleteObjects(
                DeleteObjectsRequest(keys=keys), timeout=DELETE_DEADLINE_S, metadata=self._metadata
            )

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()


class Notify:
    """Takes notifications over, and forgets them. Raises Trouble when notify is away."""

    def __init__(self, address: str, key: SecretStr | None, tls: PeerTls | None) -> None:
        self._channel = dial(address, "notify", tls)
        self._stub = DeliveryServiceStub(self._channel)
        self._metadata = internal_metadata(key)

    async def enqueue(self, notifications: Sequence[OutboxRow]) -> None:
        """Returns when notify has them durably."""
        request = EnqueueNotificationsRequest(notifications=[_notification(row) for row in notifications])
        with peer_trouble("notify"):
            await self._stub.EnqueueNotifications(request, timeout=NOTIFY_DEADLINE_S, metadata=self._metadata)

    async def erase(self, call_session_ids: Sequence[int]) -> None:
        """Returns when notify keeps nothing of the calls, and will take nothing of them over."""
        request = EraseCallsRequest(call_session_ids=call_session_ids)
        with peer_trouble("notify"):
            await self._stub.EraseCalls(request, timeout=NOTIFY_DEADLINE_S, metadata=self._metadata)

    async def forget(self, limits: Sequence[tuple[int, datetime]]) -> set[int]:
        """Deletes notifications of accounts that ended before a moment. Answers the accounts that have more."""
        accounts = [
            ForgetNotificationsRequest.Forgetting(account_id=account_id, ended_before=timestamp(before))
            for account_id, before in limits
        ]
        request = ForgetNotificationsRequest(accounts=accounts)
        with peer_trouble("notify"):
            answer = await self._stub.ForgetNotifications(request, timeout=NOTIFY_DEADLINE_S, metadata=self._metadata)
        return set(answer.unfinished_account_ids)

    async def ensure_secret(self, account_id: int) -> str:
        """The account's signing secret, made when there is none."""
        with peer_trouble("notify"):
            answer = await self._stub.EnsureSecret(
                EnsureSecretRequest(account_id=account_id), timeout=NOTIFY_DEADLINE_S, metadata=self._metadata
            )
        return answer.secret

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()


def _fault(message: FaultMessage) -> Fault:
    return Fault(
        code=word_of(RecordingErrorCode, message.code),
        message=message.message,
        is_transient=message.is_transient,
    )


def _notification(row: OutboxRow) -> NotificationDraft:
    return NotificationDraft(
        notification_id=row.notification_id,
        account_id=row.account_id,
        call_session_id=row.call_session_id,
        ext_id=row.ext_id,
        seq=row.seq,
        previous_seq=row.previous_seq,
        url=row.url,
        event=value_of(CallEvent, row.event),
        event_time=timestamp(row.event_time),
        error_code=value_of(RecordingErrorCode, row.error_code),
        error_message=row.error_message,
        traceparent=row.traceparent or "",
    )
