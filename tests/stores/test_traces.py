"""The trace of a call goes where the call goes: into its work, its outbox and notify's rows; an upload that is not traced ends it."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from services.intake.recording import Fault, Verdict
from services.intake.store.accounts import create_account
from services.intake.store.call_work import begin_work, finish_fetch, save_verdict
from services.intake.store.tables import CALL_WORK, FETCH, OutboxRow
from services.intake.store.uploads import Upload, save_uploads
from services.notify.store.queue import enqueue
from services.shared.db.database import Database
from services.shared.db.tables import table_of
from services.shared.db.work_table import Claim
from services.shared.identity import AccountId
from services.shared.tracing import read_traceparent, traceparent_of
from tests.support.makers import NOON, a_callback, a_checked_call, a_new_account, a_wav_record
from tests.support.notifying import a_notification
from tests.support.notifying import claim as claim_due

ACCOUNT = AccountId(1)
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def upload(db: Database, traceparents: dict[str, str]) -> None:
    call = a_checked_call(wav_records=[a_wav_record()], callback=a_callback(events=["in_process", "error"]))
    await db.write(save_uploads, ACCOUNT, [Upload(calls=[call], traceparents=traceparents)], NOON)


async def claim(db: Database) -> Claim:
    lease_end = NOON + timedelta(seconds=30)
    (claimed,) = await db.write(CALL_WORK.claim, stage=FETCH, most=1, after_account=0, now=NOON, lease_end=lease_end)
    return claimed


async def trace_of_work(db: Database, claimed: Claim) -> str | None:
    work = await db.write(begin_work, claimed, NOON)
    assert work is not None
    return work.traceparent


async def test_a_trace_goes_into_work_and_outbox_until_an_upload_has_none(intake_db: Database) -> None:
    await intake_db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    await upload(intake_db, {"call-1": SAMPLED})
    claimed = await claim(intake_db)
    assert await trace_of_work(intake_db, claimed) == SAMPLED

    fault = Verdict(fault=Fault(code="download_error", message="no"), report=None)
    await intake_db.write(save_verdict, claimed, [1], fault, NOON)
    await intake_db.write(finish_fetch, claimed, NOON)
    await upload(intake_db, {})

    assert await trace_of_work(intake_db, await claim(intake_db)) is None

    def outbox(connection: Connection) -> list[str | None]:
        rows = table_of(OutboxRow)
        return list(connection.execute(select(rows.c.traceparent).order_by(rows.c.seq)).scalars())

    assert await intake_db.read(outbox) == [SAMPLED, SAMPLED, None]


async def test_a_trace_goes_with_a_notification_to_its_claim(notify_db: Database) -> None:
    from dataclasses import replace

    await notify_db.write(enqueue, [replace(a_notification(1), traceparent=SAMPLED), a_notification(1, call=2)], NOON)

    due = await claim_due(notify_db, 2)

    assert {each.due.call_session_id: each.due.traceparent for each in due} == {1: SAMPLED, 2: None}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param(SAMPLED[:-2] + "00", id="not sampled"),
        pytest.param(SAMPLED[:-1], id="short"),
        pytest.param("01" + SAMPLED[2:], id="another version"),
        pytest.param(SAMPLED.upper(), id="upper case"),
        pytest.param(SAMPLED.replace("-", "_"), id="other dashes"),
        pytest.param("00-" + "0" * 32 + SAMPLED[35:], id="no trace"),
        pytest.param(SAMPLED[:36] + "0" * 16 + "-01", id="no span"),
        pytest.param(SAMPLED[:-2] + "zz", id="not hex"),
    ],
)
def test_what_is_no_sampled_context_is_none(text: str | None) -> None:
    assert read_traceparent(text) is None


def test_a_context_is_read_as_it_was_written() -> None:
    context = read_traceparent(SAMPLED)

    assert context is not None
    assert traceparent_of(context) == SAMPLED
