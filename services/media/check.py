"""Checking a recording without a call: the same download and the same worker as a call's, and nothing stored (docs/contract.md 6 and 8)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from services.media.download import Downloader, DownloadRefused, host_of
from services.media.examine import warm_up
from services.media.peers import Intake
from services.media.process import judge
from services.media.receive import receive_file
from services.media.room import DownloadRoom
from services.media.sandbox import Sandbox, WorkerKilled
from services.media.scratch import scratch_file
from services.media.verdict import (
    CONTRACT_RULES,
    AudioReport,
    AudioRules,
    ErrorCode,
    Examination,
    Fault,
    RecordingFormat,
)
from services.shared.errors import Busy, Mnemonic, Refusal, Trouble
from services.shared.identity import AccountId
from services.shared.places import Places

ALONE_TIMEOUT_S = 60.0
WORKER_WAIT_S = 60.0
"""A check that no worker has taken by then is told to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many checks have their file in memory for a worker at once, and how long a file may take to come, in seconds."""

    examined: int
    upload_timeout_s: float


class Checking:
    """Checks recordings. What is received lies in a folder of its own below `scratch` until its verdict, or until the caller is gone."""

    def __init__(
        self,
        intake: Intake,
        downloader: Downloader,
        sandbox: Sandbox,
        scratch: Path,
        room: DownloadRoom,
        places: Places,
        limits: Limits,
    ) -> None:
        self._intake = intake
        self._room = room
        self._downloader = downloader
        self._sandbox = sandbox
        self._scratch = scratch
        self._limits = limits
        self._places = places
        self._examined = asyncio.Semaphore(limits.examined)

    async def check_link(self, account_id: AccountId, url: str, kind: RecordingFormat) -> Examination:
        """The verdict on what a link gives. Raises Refusal limit_exceeded, Busy, Trouble."""
        if kind is RecordingFormat.WAV and not url.lower().startswith("https://"):
            why = "a WAV is taken by https only"
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("record_url",), value=url, why=why)
        rules = await self._intake.audio_rules(account_id)
        credential = await self._intake.host_credential(account_id, url)
        with (
            self._places.one(account_id),
            self._room.file_of(host_of(url)) as room,
            scratch_file(self._scratch, "check") as file,
        ):
            try:
                await self._downloader.download(url, kind, rules, file, room.take, credential)
            except DownloadRefused as refused:
                return _refused(refused.fault, rules)
            return await self._judge(file, kind, rules)

    async def check_file(
        self, account_id: AccountId, pieces: AsyncIterator[bytes], size_bytes: int, kind: RecordingFormat
    ) -> Examination:
        """The verdict on a file of the declared size that comes in pieces. Raises Refusal limit_exceeded, or for a file that comes otherwise; Busy, Trouble."""
        rules = await self._intake.audio_rules(account_id)
        with self._places.one(account_id), scratch_file(self._scratch, "check") as file:
            if size_bytes > rules.max_size_bytes:
                return _too_large(size_bytes, rules)
            await receive_file(pieces, size_bytes, file, self._limits.upload_timeout_s)
            return await self._judge(file, kind, rules)

    async def _judge(self, file: Path, kind: RecordingFormat, rules: AudioRules) -> Examination:
        try:
            async with asyncio.timeout(WORKER_WAIT_S):
                await self._examined.acquire()
        except TimeoutError:
            raise Busy("no worker became free for a check") from None
        try:
            return await judge(self._sandbox, _read(file), kind, rules)
        except WorkerKilled as killed:
            raise Trouble(str(killed)) from killed
        finally:
            self._examined.release()


async def judge_alone(path: Path, form: str) -> Examination:
    """The verdict on a local file by the contract's rules, in a worker process of its own. Needs no running service.

    Raises OSError when the file cannot be read, Trouble when somebody ended the worker.
    """
    kind = RecordingFormat(form)
    size_bytes = path.stat().st_size  # noqa: ASYNC240 - nothing else waits for this loop
    if size_bytes > CONTRACT_RULES.max_size_bytes:
        return _too_large(size_bytes, CONTRACT_RULES)
    data = path.read_bytes()  # noqa: ASYNC240
    sandbox = Sandbox(1, ALONE_TIMEOUT_S, warm_up)
    try:
        return await judge(sandbox, data, kind, CONTRACT_RULES)
    except WorkerKilled as killed:
        raise Trouble(str(killed)) from killed
    finally:
        sandbox.close()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Trouble("the scratch folder does not give what it took") from error


def _too_large(size_bytes: int, rules: AudioRules) -> Examination:
    told = f"the file is too large: {size_bytes:,} bytes, at most {rules.max_size_bytes:,} are taken"
    return _refused(Fault(ErrorCode.MAX_FILE_SIZE, told), rules)


def _refused(fault: Fault, rules: AudioRules) -> Examination:
    return Examination(fault=fault, report=AudioReport(rules_version=rules.version))
