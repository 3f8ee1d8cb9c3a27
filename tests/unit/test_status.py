"""docs/contract.md 2 and 7: where a call may go."""

import pytest

from services.intake.status import CallEvent, CallStatus, ImpossibleMove, Outcome, begin, end, store, upload_again


@pytest.mark.contract("7 without recordings")
def test_a_call_without_recordings_is_processed_at_once_and_tells_both_events() -> None:
    move = store(has_recordings=False)

    assert move.status is CallStatus.PROCESSED
    assert move.events == (CallEvent.IN_PROCESS, CallEvent.PROCESSED)


@pytest.mark.contract("7 in_process once")
def test_in_process_is_told_once() -> None:
    first = begin(CallStatus.NEW)
    assert first is not None
    assert first.events == (CallEvent.IN_PROCESS,)
    assert begin(CallStatus.IN_PROCESS) is None


@pytest.mark.parametrize("status", [CallStatus.PROCESSED, CallStatus.ERROR, CallStatus.CANCELLED])
def test_work_does_not_begin_on_a_call_that_ended(status: CallStatus) -> None:
    with pytest.raises(ImpossibleMove):
        begin(status)
    with pytest.raises(ImpossibleMove):
        end(status, failed=True)


@pytest.mark.parametrize(
    ("status", "uploads", "outcome"),
    [
        pytest.param(CallStatus.NEW, 1, Outcome.DUPLICATE, id="2 queued"),
        pytest.param(CallStatus.IN_PROCESS, 1, Outcome.DUPLICATE, id="2 in process"),
        pytest.param(CallStatus.PROCESSED, 1, Outcome.DUPLICATE, id="2 processed"),
        pytest.param(CallStatus.ERROR, 1, Outcome.UPLOADED_AGAIN, id="2 after error, second upload"),
        pytest.param(CallStatus.ERROR, 2, Outcome.UPLOADED_AGAIN, id="2 three uploads, the third"),
        pytest.param(CallStatus.ERROR, 3, Outcome.IGNORED_AFTER_FAILURES, id="2 third failure, a fourth upload"),
        pytest.param(CallStatus.CANCELLED, 3, Outcome.UPLOADED_AGAIN, id="cancelled"),
    ],
)
def test_an_upload_of_a_known_ext_id(status: CallStatus, uploads: int, outcome: Outcome) -> None:
    assert upload_again(status, uploads) is outcome
