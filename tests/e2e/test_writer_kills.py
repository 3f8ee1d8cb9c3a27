"""kill -9 of the process that stores uploads, while calls come in: what was answered with success is there, once, and what was not can be sent again."""

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import grpc
import pytest
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest, UploadedCall
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from benchmarks.calls import a_draft
from tests.support.postgres import IS_MEANT
from tests.support.running import Calldock, a_calldock, until

CLIENTS = 8
KILLS = 3
ENOUGH = 30
"""Uploads that are acknowledged between a kill and the next."""


class Uploading:
    """Clients that upload one call after the other, each until it is acknowledged."""

    def __init__(self, calldock: Calldock, token: str) -> None:
        self._stub = CallServiceStub(calldock.channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._numbers = count(1)
        self.stop = threading.Event()
        self.acknowledged: Counter[str] = Counter()
        self.refused: Counter[grpc.StatusCode] = Counter()

    def run(self) -> None:
        while not self.stop.is_set():
            self._upload(next(self._numbers))

    def _upload(self, number: int) -> None:
        request = UploadCallsRequest(calls=[a_draft(number)])
        while True:
            try:
                (call,) = self._stub.UploadCalls(request, metadata=self._metadata, timeout=30).calls
            except grpc.RpcError as error:
                self.refused[error.code()] += 1
                continue
            assert call.outcome in (UploadedCall.OUTCOME_CREATED, UploadedCall.OUTCOME_DUPLICATE)
            assert not call.differs
            self.acknowledged[call.ext_id] += 1
            return


@pytest.mark.skipif(IS_MEANT, reason="PostgreSQL stores by itself")
@pytest.mark.contract("8 durably")
def test_no_acknowledged_call_is_lost_or_stored_twice(tmp_path: Path) -> None:
    with a_calldock(tmp_path) as calldock:
        account = calldock.account()
        uploading = Uploading(calldock, account.token)
        with ThreadPoolExecutor(CLIENTS) as clients:
            running = [clients.submit(uploading.run) for _ in range(CLIENTS)]
            try:
                killed: set[int] = set()
                for _ in range(KILLS):
                    before = uploading.acknowledged.total()
                    until(lambda before=before: uploading.acknowledged.total() > before + ENOUGH)  # type: ignore[misc]
                    until(lambda: _writes(calldock.writer_pid(), killed))
                    writer = calldock.writer_pid()
                    assert writer is not None
                    os.kill(writer, signal.SIGKILL)
                    killed.add(writer)
                before = uploading.acknowledged.total()
                until(lambda: uploading.acknowledged.total() > before + ENOUGH)
            finally:
                uploading.stop.set()
            for each in running:
                each.result()

        # Trouble is all that who waited for it hears.
        assert uploading.refused.keys() <= {grpc.StatusCode.UNAVAILABLE}
        assert set(uploading.acknowledged.values()) == {1}
        stored = [call["ext_id"] for call in calldock.all_of(account, "calls")]
        assert sorted(stored) == sorted(uploading.acknowledged)


def _writes(pid: int | None, killed: set[int]) -> bool:
    """True for a new process that has opened the database."""
    if pid is None or pid in killed:
        return False
    try:
        return any(file.readlink().name == "intake.db" for file in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
