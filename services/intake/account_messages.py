"""Between the messages of accounts and tokens and their domain values. No rule lives here."""

from collections.abc import Mapping
from datetime import datetime

from calldock.intake.internal.v1 import admin_service_pb2
from calldock.intake.v1 import account_pb2, account_service_pb2
from calldock.media.v1.audio_pb2 import AudioRule
from calldock.media.v1.audio_pb2 import RulePolicy as RulePolicyMessage

from services.intake.account import Account, AccountChange, NewToken, OperatorChange, Token
from services.intake.audio_settings import AudioSettings, RulePolicy, content_types, policies
from services.intake.peers import policy_messages
from services.intake.recording_host import RecordingHost, RequestHeader, basic, bearer, header
from services.intake.retention import SPANS, Retention
from services.shared.identity import Role
from services.shared.rpc.values import named_fields, read_moment, timestamp, value_of, word_of


def account_message(account: Account) -> account_pb2.Account:
    """A stored account."""
    return account_pb2.Account(
        account_id=account.account_id,
        name=account.name,
        time_zone=account.time_zone,
        region=account.region,
        has_voice_analysis=account.has_voice_analysis,
        create_time=timestamp(account.create_time),
        allowed_networks=account.allowed_networks,
        is_active=account.is_active,
        has_call_upload=account.has_call_upload,
        minute_limit=account.limits.minute,
        day_limit=account.limits.day,
        audio=account_pb2.AudioSettings(
            wav_content_types=account.audio.wav_content_types,
            mp3_content_types=account.audio.mp3_content_types,
            takes_mp3_without_id3=account.audio.takes_mp3_without_id3,
            policies=policy_messages(account.audio),
            version=account.audio.version,
        ),
        retention=account_pb2.Retention(
            **{name: span for name in SPANS if (span := getattr(account.retention, name)) is not None}
        ),
    )


def read_change(request: account_service_pb2.UpdateAccountRequest) -> AccountChange:
    """What is to change: what the mask names, or else what is set. Raises Refusal for a mask that names something else."""
    account = request.account
    given: Mapping[str, str | tuple[str, ...] | AudioSettings | Retention] = {
        "name": account.name,
        "time_zone": account.time_zone,
        "region": account.region,
        "allowed_networks": tuple(account.allowed_networks),
        "audio": _audio(account.audio),
        "retention": _retention(account.retention),
    }
    named = named_fields(account, request.update_mask, tuple(given))
    return AccountChange(**{name: given[name] for name in named})  # type: ignore[arg-type]


def read_new_token(request: account_service_pb2.CreateTokenRequest) -> NewToken:
    """The token to make. Raises Refusal for an expiry beyond what a calendar holds."""
    role = Role(word_of(account_pb2.Role, request.role))
    return NewToken(role=role, name=request.name, expire_time=_expire_time(request))


def read_new_agent_token(request: admin_service_pb2.CreateAgentTokenRequest) -> NewToken:
    """The agent's token to make. Raises Refusal as `read_new_token`."""
    return NewToken(
        role=Role.AGENT,
        name=request.name,
        expire_time=_expire_time(request),
        agent_account_ids=tuple(sorted({*request.agent_account_ids} - {request.account_id})),
    )


def read_operator_change(request: admin_service_pb2.SetAccountRequest) -> OperatorChange:
    """What the operator changes: what the request sets."""
    return OperatorChange(
        is_active=request.is_active if request.HasField("is_active") else None,
        has_call_upload=request.has_call_upload if request.HasField("has_call_upload") else None,
        has_voice_analysis=request.has_voice_analysis if request.HasField("has_voice_analysis") else None,
        minute_limit=request.minute_limit if request.HasField("minute_limit") else None,
        day_limit=request.day_limit if request.HasField("day_limit") else None,
    )


def read_credential(request: account_service_pb2.SetRecordingHostRequest) -> RequestHeader:
    """The header that a host wants to see. Raises Refusal for one that is the transport's own."""
    match request.WhichOneof("credential"):
        case "bearer_token":
            return bearer(request.bearer_token)
        case "basic":
            return basic(request.basic.username, request.basic.password)
        case _:
            return header(request.header.name, request.header.value)


def host_message(host: RecordingHost) -> account_service_pb2.RecordingHost:
    """A recording host, without the secret."""
    return account_service_pb2.RecordingHost(
        host=str(host.at), header_name=host.header_name, set_time=timestamp(host.set_time)
    )


def token_message(token: Token) -> account_service_pb2.Token:
    """A stored token."""
    return account_service_pb2.Token(
        token_id=token.token_id,
        name=token.name,
        role=value_of(account_pb2.Role, token.role),
        create_time=timestamp(token.create_time),
        expire_time=None if token.expire_time is None else timestamp(token.expire_time),
        is_blocked=token.is_blocked,
        agent_account_ids=token.agent_account_ids,
    )


def _audio(message: account_pb2.AudioSettings) -> AudioSettings:
    return AudioSettings(
        wav_content_types=content_types(message.wav_content_types),
        mp3_content_types=content_types(message.mp3_content_types),
        takes_mp3_without_id3=message.takes_mp3_without_id3,
        policies=policies(
            [
                (word_of(AudioRule, each.rule), RulePolicy(word_of(RulePolicyMessage, each.policy)))
                for each in message.policies
            ]
        ),
    )


def _retention(message: account_pb2.Retention) -> Retention:
    return Retention(
        **{name: getattr(message, name).ToTimedelta() for name in SPANS if message.HasField(name)}  # type: ignore[arg-type]
    )


def _expire_time(
    request: account_service_pb2.CreateTokenRequest | admin_service_pb2.CreateAgentTokenRequest,
) -> datetime | None:
    return read_moment(request.expire_time, "expire_time") if request.HasField("expire_time") else None
