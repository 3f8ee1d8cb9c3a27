"""docs/contract.md 6: every file of the corpus through the confined worker, each with the contract's verdict."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from services.media.examine import AudioTags, Mp3Order, examine, warm_up
from services.media.sandbox import FILES_PER_WORKER, Sandbox
from services.media.verdict import CONTRACT_RULES, Examination, RecordingFormat
from tests.support.audio import good_wav
from tests.support.corpus import Case, corpus
from tests.support.mp3_files import TAG, mp3_frames

CASES = corpus()
TAGS = AudioTags(ext_id="звонок-1", call_session_id=7, start_time=datetime(2026, 11, 2, 7, tzinfo=UTC))
ORDER = Mp3Order(tags=TAGS, bit_rate_kbps=32)


def good(kind: RecordingFormat) -> bytes:
    return good_wav() if kind is RecordingFormat.WAV else TAG + mp3_frames()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(workers=2, timeout_s=10, warm_up=warm_up)
    yield sandbox
    sandbox.close()


async def judge(sandbox: Sandbox, data: bytes, kind: RecordingFormat) -> Examination:
    return await sandbox.run(examine, data, kind, CONTRACT_RULES, ORDER)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
async def test_a_file_has_the_verdict_of_the_contract(sandbox: Sandbox, case: Case) -> None:
    found = await judge(sandbox, case.data, case.kind)

    fault = found.fault
    assert (fault and fault.code) == case.code, fault and fault.message
    assert case.told in (fault.message if fault else "")
    assert (found.mp3 is not None) == (fault is None and case.kind is RecordingFormat.WAV)


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_one_worker_reads_a_third_of_the_corpus_and_a_good_file_after_it(part: int) -> None:
    cases = CASES[part::3]
    sandbox = Sandbox(workers=1, timeout_s=10, warm_up=warm_up)
    try:
        worker = await sandbox.run(os.getpid)
        for case in cases:
            await judge(sandbox, case.data, case.kind)

        assert [(await judge(sandbox, good(kind), kind)).fault for kind in RecordingFormat] == [None, None]
        assert await sandbox.run(os.getpid) == worker
    finally:
        sandbox.close()
    # Beyond that a worker is replaced for its age.
    assert len(cases) + 4 < FILES_PER_WORKER


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
