"""What SQLite reads to answer: nothing walks along all calls of an account. It keeps no statistics, so the words of a statement decide."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from services.intake.call_filter import CallFilter
from services.intake.call_order import CallOrder, OrderField, Position
from services.intake.filters import read_query
from services.intake.lists import UPLOADED_CALLS
from services.intake.server import MIGRATIONS
from services.intake.store.filtering import FUNCTIONS
from services.intake.store.lists import query_calls
from services.intake.store.overview import count_calls
from services.intake.store.reading import list_calls
from services.intake.store.uploads import Priority, save_upload
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.identity import AccountId
from tests.support.makers import MOSCOW, NOON, a_checked_call
from tests.support.uploading import an_account

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Traced:
    """A database whose statements are written down as SQLite runs them."""

    db: SqliteDatabase
    path: Path
    ran: list[str]

    @contextmanager
    def plans(self) -> Iterator[list[str]]:
        """How the statements that ran meanwhile read the table of calls, those of tags and employees, by which index tags and recordings of calls, and what they sort; filled at the end."""
        found: list[str] = []
        self.ran.clear()
        yield found
        with closing(sqlite3.connect(self.path)) as raw:
            for statement in [each for each in self.ran if each.lstrip().startswith("SELECT")]:
                steps = [step[3] for step in raw.execute(f"EXPLAIN QUERY PLAN {statement}")]
                found += [step for step in steps if any(part in f"{step} " for part in _TOLD)]


_TOLD = (" calls ", " c ", "call_tags_", "recordings_", " t ", " e ", " tags ", " employees ", "ORDER BY")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Traced]:
    ran: list[str] = []

    def trace(raw: sqlite3.Connection, _record: object) -> None:
        raw.set_trace_callback(ran.append)

    event.listen(Engine, "connect", trace)
    try:
        path = tmp_path / "intake.db"
        db = SqliteDatabase(path, FUNCTIONS)
        migrate(db.engine, MIGRATIONS)
        db.start()
        yield Traced(db, path, ran)
        db.close()
    finally:
        event.remove(Engine, "connect", trace)


def walked(found: list[str]) -> list[str]:
    return [step for step in found if step.startswith("SCAN") or step.endswith("(account_id=?)")]


async def test_an_upload_finds_what_is_stored_by_its_ext_ids(store: Traced) -> None:
    account = await an_account(store.db)
    calls = [a_checked_call(index, ext_id=f"call-{index}") for index in range(3)]

    with store.plans() as found:
        await store.db.write(save_upload, account.account_id, calls, "", NOON, Priority.LIVE)

    assert found
    assert walked(found) == []


@pytest.mark.parametrize("name", ["upload_time", "start_time"])
async def test_a_list_of_a_small_window_of_time_reads_what_is_in_it(store: Traced, name: str) -> None:
    account = await an_account(store.db)
    window: dict[str, Any] = {f"{name}_from": NOON, f"{name}_before": NOON + HOUR}

    with store.plans() as found:
        await store.db.read(list_calls, AccountId(account.account_id), CallFilter(**window), 100, None)

    assert found
    assert walked(found) == []


async def test_a_list_of_a_wide_window_is_read_along_the_numbers_until_a_page_is_full(
    store: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.intake.store.finding.FEW", 0)
    account = await an_account(store.db)
    await store.db.write(save_upload, account.account_id, [a_checked_call()], "", NOON, Priority.LIVE)
    window = CallFilter(upload_time_from=NOON, upload_time_before=NOON + HOUR)

    with store.plans() as found:
        await store.db.read(list_calls, AccountId(account.account_id), window, 100, None)

    assert "SEARCH calls USING INDEX calls_newest (account_id=?)" in found
    assert "calls_uploaded" in found[0], "the window is counted, and has too many"
    assert not any("calls_uploaded" in step for step in found[1:])


@pytest.mark.parametrize(
    ("filter_", "index"),
    [
        pytest.param(CallFilter(tag_ids=(1,)), "COVERING INDEX call_tags_tag (tag_id=?)", id="tag"),
        pytest.param(
            CallFilter(employee_ids=(1,)), "COVERING INDEX recordings_employee (employee_id=?)", id="employee"
        ),
        pytest.param(
            CallFilter(verdicts=("decode_error",)),
            "COVERING INDEX recordings_refused (account_id=? AND error_code=?)",
            id="verdict",
        ),
        pytest.param(
            CallFilter(verdicts=("decode_error",), number="+79262444397", start_time_from=NOON),
            "recordings_refused",
            id="several",
        ),
        pytest.param(CallFilter(tag_ids=(1,), words=("anna",)), "call_tags_tag", id="text of a tag"),
    ],
)
@pytest.mark.parametrize("order", [each for name in OrderField for each in (CallOrder(field=name, is_descending=True), CallOrder(field=name, is_descending=False))], ids=str)  # fmt: skip
async def test_what_few_calls_have_is_found_by_an_index(
    store: Traced, filter_: CallFilter, index: str, order: CallOrder
) -> None:
    account = await an_account(store.db)

    with store.plans() as found:
        await store.db.read(list_calls, account.account_id, filter_, 100, Position(1, 1), order)

    assert found
    assert walked(found) == []
    assert any(index in step for step in found), found


@pytest.mark.parametrize(
    ("filter_", "order", "index"),
    [
        (CallFilter(is_lost=True), CallOrder(field=OrderField.CALL_SESSION_ID, is_descending=True), "calls_newest (account_id=? AND call_session_id"),
        (CallFilter(tag_ids=(1,)), CallOrder(field=OrderField.START_TIME, is_descending=True), "calls_start (account_id=? AND start_time"),
        (CallFilter(words=("a",)), CallOrder(field=OrderField.UPLOAD_TIME, is_descending=False), "calls_uploaded (account_id=? AND upload_time"),
        (CallFilter(number="2444"), CallOrder(field=OrderField.START_TIME, is_descending=False), "calls_start (account_id=? AND start_time"),
    ],
    ids=str,
)  # fmt: skip
async def test_what_many_calls_have_is_looked_for_along_the_order_and_no_further_than_its_edge(
    store: Traced, monkeypatch: pytest.MonkeyPatch, filter_: CallFilter, order: CallOrder, index: str
) -> None:
    monkeypatch.setattr("services.intake.store.finding.FEW", -1)
    monkeypatch.setattr("services.intake.store.finding.LOOKED_AT", 2)
    monkeypatch.setattr("services.intake.store.finding.READ_THROUGH", 2)
    account = await an_account(store.db)
    calls = [a_checked_call(index, ext_id=f"call-{index}") for index in range(5)]
    await store.db.write(save_upload, account.account_id, calls, "", NOON, Priority.LIVE)
    after = Position(0, 0) if not order.is_descending else Position(2**62, 2**62)

    with store.plans() as found:
        await store.db.read(list_calls, account.account_id, filter_, 100, after, order)

    assert [index in step for step in found if "INDEX calls_" in step] == [True, True]
    assert walked(found) == []
    assert not any("TEMP B-TREE" in step for step in found)


async def test_uploaded_calls_of_a_small_window_are_found_by_it(store: Traced) -> None:
    account = await an_account(store.db)
    query = read_query({}, UPLOADED_CALLS, MOSCOW.zone)

    with store.plans() as found:
        await store.db.read(query_calls, account.account_id, query, NOON, NOON + HOUR)

    assert found
    assert walked(found) == []


@pytest.mark.parametrize("few", [20_000, 2])
async def test_calls_come_by_their_numbers_however_many_a_window_has(
    store: Traced, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("services.intake.store.finding.FEW", few)
    account = await an_account(store.db)
    for index, minutes in enumerate([30, 10, 20, 40]):
        call = a_checked_call(0, ext_id=f"call-{index}")
        at = NOON + timedelta(minutes=minutes)
        await store.db.write(save_upload, account.account_id, [call], "", at, Priority.LIVE)
    query = read_query({}, UPLOADED_CALLS, MOSCOW.zone)
    window = CallFilter(upload_time_from=NOON, upload_time_before=NOON + HOUR)

    total, oldest_first = await store.db.read(query_calls, account.account_id, query, NOON, NOON + HOUR)
    newest_first = await store.db.read(list_calls, account.account_id, window, 3, None)

    assert total == 4
    assert [call.row.ext_id for call in oldest_first] == ["call-0", "call-1", "call-2", "call-3"]
    assert [call.row.ext_id for _, call in newest_first.calls] == ["call-3", "call-2", "call-1"]


async def test_counting_reads_what_began_in_its_time(store: Traced) -> None:
    account = await an_account(store.db)

    with store.plans() as found:
        await store.db.read(count_calls, AccountId(account.account_id), NOON, NOON + HOUR)

    assert found == ["SEARCH calls USING INDEX calls_start (account_id=? AND start_time>? AND start_time<?)"]
