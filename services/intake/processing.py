"""The process loop's step: a verdict for each fetched recording, then the call's end (docs/contract.md 6, 7)."""

from collections.abc import Callable

import structlog

from services.intake.ending import tell_end
from services.intake.metrics import IntakeMetrics
from services.intake.peers import CallTags, Media
from services.intake.recording import RecordingStatus, RecordingWork, object_key, same_file
from services.intake.store.call_work import CallWork, begin_work, finish_call, save_verdict
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.db.work_table import Claim
from services.shared.tracing import step

log = structlog.get_logger()


class Processing:
    """Brings the recordings of one claimed call to their verdicts. `changed` is called after the commit that ends the call."""

    def __init__(
        self, db: Database, media: Media, clock: Clock, changed: Callable[[], None], metrics: IntakeMetrics
    ) -> None:
        self._metrics = metrics
        self._db = db
        self._media = media
        self._clock = clock
        self._changed = changed

    async def process_call(self, claim: Claim) -> None:
        """Judges what has no verdict yet, each file once, committing each as it is known. Raises Trouble when media cannot work now."""
        work = await self._db.write(begin_work, claim, self._clock.now())
        if work is None:
            return
        with step("call.process", work.traceparent, work.facts):
            await self._process_all(claim, work)

    async def _process_all(self, claim: Claim, work: CallWork) -> None:
        for recordings in same_file(work.recordings, RecordingStatus.FETCHED):
            if not await self._process(claim, work, recordings):
                return
        ended = await self._db.write(finish_call, claim, self._clock.now())
        self._changed()
        if ended is not None:
            tell_end(work, ended, self._metrics, self._clock.now())

    async def _process(self, claim: Claim, work: CallWork, recordings: list[RecordingWork]) -> bool:
        first = recordings[0]
        key = object_key(work.account_id, work.call_session_id, first.recording_id, claim.token, "mp3")
        tags = CallTags(ext_id=work.ext_id, call_session_id=work.call_session_id, start_time=work.start_time)
        began = self._clock.monotonic()
        verdict = await self._media.process(first, key, tags, work.audio)
        ids = [recording.recording_id for recording in recordings]
        kept = await self._db.write(save_verdict, claim, ids, verdict, self._clock.now())
        if kept:
            self._metrics.judged(verdict.fault.code if verdict.fault else None, len(ids))
        log.info(
            "recording.judged",
            call_session_id=work.call_session_id,
            account_id=work.account_id,
            recording_ids=ids,
            outcome=verdict.fault.code if verdict.fault else "ok",
            is_kept=kept,
            duration_ms=round((self._clock.monotonic() - began) * 1000),
        )
        return kept
