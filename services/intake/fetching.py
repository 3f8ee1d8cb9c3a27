"""The fetch loop's step: a call's recordings into the object store, early, because links expire (docs/contract.md 6)."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from services.intake.ending import tell_end
from services.intake.handed_over import upload_id_of
from services.intake.hosts import RecordingHosts
from services.intake.metrics import IntakeMetrics
from services.intake.peers import Media
from services.intake.recording import (
    Fault,
    RecordingStatus,
    RecordingWork,
    Retries,
    Source,
    Verdict,
    due,
    final,
    object_key,
    same_file,
    source_extension,
)
from services.intake.store.call_work import (
    CallWork,
    EndedCall,
    begin_work,
    finish_fetch,
    save_failure,
    save_source,
    save_verdict,
)
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.db.work_table import Claim
from services.shared.identity import AccountId
from services.shared.tracing import step

log = structlog.get_logger()

DOWNLOAD_ERROR = "download_error"
HANDED_OVER_GONE = "the file that was handed over is no longer kept: hand it over again and upload the call again"

FILES_AT_ONCE = 64
"""Downloads asked for at once, over all calls: as many as one media takes by default."""


class Fetching:
    """Fetches the recordings of one claimed call. `changed` is called after commits that may make work elsewhere."""

    def __init__(
        self,
        db: Database,
        media: Media,
        hosts: RecordingHosts,
        retries: Retries,
        clock: Clock,
        changed: Callable[[], None],
        metrics: IntakeMetrics,
    ) -> None:
        self._db = db
        self._hosts = hosts
        self._media = media
        self._retries = retries
        self._clock = clock
        self._changed = changed
        self._metrics = metrics
        self._places = asyncio.Semaphore(FILES_AT_ONCE)

    async def fetch_call(self, claim: Claim) -> None:
        """Fetches what is not here yet, each file once, committing each as it comes. A download that may still come is tried again later. Raises Trouble when media cannot work now."""
        work = await self._db.write(begin_work, claim, self._clock.now())
        if work is None:
            return
        self._changed()
        with step("call.fetch", work.traceparent, work.facts):
            await self._fetch_all(claim, work)

    async def _fetch_all(self, claim: Claim, work: CallWork) -> None:
        # One that cannot be had now does not stop its siblings: what comes is kept.
        groups = same_file(due(work.recordings, self._clock.now()), RecordingStatus.WAITING)
        failures = await asyncio.gather(*(self._fetch(claim, work, group) for group in groups), return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure
        ended = await self._db.write(finish_fetch, claim, self._clock.now())
        self._changed()
        if isinstance(ended, EndedCall):
            tell_end(work, ended, self._metrics, self._clock.now())

    async def _fetch(self, claim: Claim, work: CallWork, recordings: list[RecordingWork]) -> None:
        first = recordings[0]
        key = object_key(
            work.account_id, work.call_session_id, first.recording_id, claim.token, source_extension(first.format)
        )
        began = self._clock.monotonic()
        if upload_id_of(first.url) is not None:
            # A file that was handed over is there, or was let go some time after the call ended.
            found: Source | Fault = Fault(code=DOWNLOAD_ERROR, message=HANDED_OVER_GONE)
        else:
            credential = await self._hosts.credential_for(AccountId(work.account_id), first.url)
            async with self._places:
                found = await self._media.fetch(first, key, work.audio, credential)
        ids = [recording.recording_id for recording in recordings]
        again: datetime | None = None
        if isinstance(found, Fault):
            now = self._clock.now()
            again = self._retries.next_time(found, first.fetch_failures, work.new_time, now)
            if again is not None:
                kept = await self._db.write(save_failure, claim, ids, again)
            else:
                told = Verdict(fault=final(found, first.fetch_failures), report=None)
                kept = await self._db.write(save_verdict, claim, ids, told, now)
                if kept:
                    self._metrics.judged(told.fault.code if told.fault else None, len(ids))
        else:
            kept = await self._db.write(save_source, claim, ids, found, self._clock.now())
        log.info(
            "recording.fetched",
            call_session_id=work.call_session_id,
            account_id=work.account_id,
            recording_ids=ids,
            outcome=found.code if isinstance(found, Fault) else "ok",
            size_bytes=None if isinstance(found, Fault) else found.size_bytes,
            is_kept=kept,
            is_tried_again=again is not None,
            duration_ms=round((self._clock.monotonic() - began) * 1000),
        )
