"""The protos keep what they promise: stubs are fresh, words match the domain's, rules agree with the domain's."""

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from calldock.intake.v1 import account_pb2, call_pb2, call_service_pb2
from calldock.media.v1 import audio_pb2
from calldock.notify.v1 import notification_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protovalidate import Validator

from services.intake import call_rules, draft, recording, status
from services.intake.messages import name_as_typed, read_draft
from services.media import verdict
from services.notify import notification
from services.shared.errors import Mnemonic, Refusals
from services.shared.errors import Path as FieldPath
from services.shared.identity import Role
from services.shared.rpc.validate import refusal_of
from services.shared.rpc.values import value_of, word_of
from tests.support.makers import MOSCOW

ROOT = Path(__file__).parents[2]


def test_the_committed_stubs_are_those_of_the_protos(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, ROOT / "tools/protos.py", "generate", "--out", tmp_path / "gen"], check=True, timeout=100
    )

    fresh = {
        path.relative_to(tmp_path / "gen"): path.read_bytes()
        for path in (tmp_path / "gen").rglob("*")
        if path.is_file()
    }
    committed = {
        path.relative_to(ROOT / "gen"): path.read_bytes()
        for path in (ROOT / "gen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert fresh.keys() == committed.keys()
    assert [path for path in fresh if fresh[path] != committed[path]] == []


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        (call_pb2.Direction, draft.Direction),
        (call_pb2.EmployeeChannel, draft.EmployeeChannel),
        (call_pb2.CallStatus, status.CallStatus),
        (call_pb2.CallEvent, status.CallEvent),
        (call_pb2.RecordingStatus, recording.RecordingStatus),
        (call_service_pb2.UploadedCall.Outcome, status.Outcome),
        (account_pb2.Role, Role),
        (audio_pb2.RecordingErrorCode, verdict.ErrorCode),
        (audio_pb2.RecordingFormat, verdict.RecordingFormat),
        (audio_pb2.RecordingFormat, draft.RecordingFormat),
        (audio_pb2.AudioRule, verdict.AudioRule),
        (audio_pb2.AudioChannel, verdict.AudioChannel),
        (notification_pb2.NotificationStatus, notification.NotificationStatus),
        (notification_pb2.AttemptOutcome, notification.AttemptOutcome),
    ],
)
def test_an_enum_has_the_domains_words(wrapper: EnumTypeWrapper, words: type[StrEnum]) -> None:
    assert {word_of(wrapper, number) for number in wrapper.values()} == {"unspecified", *words}
    assert {word_of(wrapper, value_of(wrapper, word)) for word in words} == set(words)
    assert value_of(wrapper, None) == 0


# Values at and beyond the edges of each rule, so that most drafts are wrong in a few places.
texts = st.sampled_from(["", "x", "x\0y", "я" * 255, "я" * 256, " \t", "\u00a0"])
ids = st.sampled_from([-2, -1, 0, 1, 2**63 - 1, -(2**63)])
urls = st.sampled_from(
    [
        "",
        "https://x",
        "HTTP://x/y?z",
        "http://x",
        "https://",
        "ftp://x",
        "https:// x",
        "https://x y",
        "https://x\0",
        "https://[::1]:8/",
        "https://" + "x" * 2100,
        "calldock-upload:a_Z-9",
        "calldock-upload:",
        "calldock-upload:a/b",
        "calldock-upload:" + "x" * 65,
    ]
)
# Only well-formed ones: a Duration of mixed signs is outside protobuf's own definition, and refused by the domain alone.
spans = st.builds(
    Duration,
    seconds=st.sampled_from([-1, 0, 5, 315_360_000, 315_360_001, 10**12]),
    nanos=st.sampled_from([0, 1, 500_000_000]),
)
moments = st.builds(
    Timestamp,
    seconds=st.sampled_from([-1, 0, 1_793_602_800, 253_370_764_799, 253_370_764_800]),
    nanos=st.sampled_from([0, 0, 500_000_000]),
)
walls = st.sampled_from(["2026-11-02 10:00:00", "2026-11-02T10:00:00", "", "2026-11-02 10:00"])
numbers = st.sampled_from(["+74955140576", "+79262444397", "x" * 65])
NOTHING = st.just(None)

tags = st.builds(call_pb2.CallTag, tag_id=NOTHING | ids, tag_name=texts)
wavs = st.builds(
    call_pb2.WavRecord,
    employee_id=NOTHING | ids,
    employee_name=texts,
    employee_channel=st.sampled_from([0, 1, 2, 7]),
    record_url=urls,
)
mp3s = st.builds(call_pb2.Mp3Record, employee_id=NOTHING | ids, employee_name=texts, record_url=urls)
callbacks = st.builds(call_pb2.Callback, url=urls, events=st.lists(st.sampled_from([0, 1, 2, 3, 9]), max_size=4))


@st.composite
def drafts(draw: st.DrawFn) -> call_pb2.CallDraft:
    """A good draft with a few fields replaced by values from the edges."""
    values: dict[str, Any] = {
        "ext_id": "x", "calling_phone_number": "+74955140576", "called_phone_number": "+74955140576",
        "start_time": Timestamp(seconds=1_793_602_800), "finish_time": Timestamp(seconds=1_793_602_801), "is_lost": False,
    }  # fmt: skip
    edges: dict[str, st.SearchStrategy[Any]] = {
        "ext_id": texts, "direction": st.sampled_from([0, 1, 2, 5]), "calling_phone_number": NOTHING | numbers, "called_phone_number": NOTHING | numbers,
        "start_time": NOTHING | moments, "finish_time": NOTHING | moments, "start_wall_time": walls, "finish_wall_time": walls, "is_lost": NOTHING,
        "wait_duration": spans, "talk_duration": spans, "visitor_session_id": ids, "campaign_id": ids, "source_id": ids, "site_id": ids,
        "comment": st.sampled_from(["", "x\0", "x" * 4000, "x" * 4001]), "callback": callbacks, "tags": st.lists(tags, max_size=2),
        "wav_records": st.lists(wavs, max_size=2), "mp3_records": st.lists(mp3s, max_size=2),
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(sorted(edges)), max_size=4, unique=True)):
        for wall, moment in (("start_wall_time", "start_time"), ("finish_wall_time", "finish_time")):
            if name == wall:
                values.pop(moment, None)
            if name == moment:
                values.pop(wall, None)
        values[name] = draw(edges[name])
    return call_pb2.CallDraft(**values)


def fields_by_protos(request: call_service_pb2.UploadCallsRequest) -> set[str]:
    found = set()
    for violation in Validator().collect_violations(request):
        path = refusal_of(violation).path
        found.add(_field(path, "mp3_records" if violation.proto.rule_id == "call_draft.one_kind_of_records" else None))
    return found


def fields_by_domain(request: call_service_pb2.UploadCallsRequest) -> set[str]:
    _, refusals = call_rules.sort_out([read_draft(request.calls[0], 0)], MOSCOW)
    if not refusals:
        return set()
    return {
        _field(refusal.path)
        for refusal in name_as_typed(Refusals(refusals), request).refusals
        if not _needs_more_than_the_field(refusal)
    }


def _needs_more_than_the_field(refusal: Any) -> bool:
    """Rules that protos leave to the domain: the order of two times, what is a telephone number, where webhooks may go, what is a host, what is a date."""
    return (
        "before it began" in refusal.why
        or "is not public" in refusal.why
        or ("telephone number" in refusal.why and len(refusal.value) <= 64)
    )


def _field(path: FieldPath, instead: str | None = None) -> str:
    """The field of the call, whatever is wrong inside it. The two times count as their choice."""
    name = str(path[2]) if len(path) > 2 else str(instead)
    return {
        "start_time": "start",
        "start_wall_time": "start",
        "finish_time": "finish",
        "finish_wall_time": "finish",
    }.get(name, name)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(came=drafts())
def test_the_rules_in_the_protos_and_those_of_the_domain_refuse_the_same_fields(came: call_pb2.CallDraft) -> None:
    request = call_service_pb2.UploadCallsRequest(calls=[came])

    assert fields_by_protos(request) == fields_by_domain(request)


def test_every_mnemonic_has_a_grpc_code_that_exists() -> None:
    import grpc

    from services.shared.errors import ERRORS

    assert set(ERRORS) == set(Mnemonic)
    assert {kind.grpc_code for kind in ERRORS.values()} <= {code.name for code in grpc.StatusCode}
