"""docs/contract.md 8, design: a refusal as google.rpc.Status, within the bounds of trailers."""

import pytest
from google.rpc import error_details_pb2

from services.shared.errors import Mnemonic, Refusal, Refusals
from services.shared.rpc.status import MAX_DETAILS_BYTES, MAX_VIOLATIONS, spelled, status_of


def refusals(count: int, value: str = "x") -> Refusals:
    return Refusals(
        [
            Refusal(Mnemonic.INVALID_DATE_TIME, path=("calls", index, "start_time"), value=value)
            for index in range(count)
        ]
    )


def test_a_path_is_spelled_as_grpc_spells_it() -> None:
    assert spelled(("calls", 0, "wav_records", 1, "record_url")) == "calls[0].wav_records[1].record_url"


@pytest.mark.contract("8 up to 20", "8 gRPC first reason")
def test_twenty_violations_are_told_and_all_are_counted() -> None:
    status = status_of(refusals(500))

    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert info.reason == "INVALID_DATE_TIME"
    assert info.metadata["total_violations"] == "500"
    assert len(bad.field_violations) == MAX_VIOLATIONS
    assert bad.field_violations[0].field == "calls[0].start_time"


def test_a_long_name_of_a_member_is_cut_in_path_and_message() -> None:
    refusal = Refusal(Mnemonic.UNEXPECTED_PARAMETERS, path=("calls", 0, "k" * 70_000), value={"access_token": "secret"})

    status = status_of(refusal)

    assert status.ByteSize() < 1000
    assert "secret" not in str(status)


@pytest.mark.contract("8 value of a token")
def test_a_token_is_never_told_back() -> None:
    assert "secret" not in str(
        status_of(Refusal(Mnemonic.UNEXPECTED_PARAMETERS, path=("calls", 0, "access_token"), value="secret"))
    )


def test_long_values_do_not_make_the_trailers_long() -> None:
    status = status_of(refusals(500, "я" * 100_000))

    assert status.ByteSize() <= MAX_DETAILS_BYTES
