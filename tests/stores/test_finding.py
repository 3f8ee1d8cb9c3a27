"""ListCalls' filters and orders mean the same on both databases, page by page, however few calls a page looks at."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from services.intake.account import Account
from services.intake.call_filter import CallFilter
from services.intake.call_order import NEWEST_FIRST, CallOrder, OrderField, Position
from services.intake.draft import Direction, RecordDraft, TagDraft
from services.intake.names import name_key
from services.intake.phone_search import tidy_number
from services.intake.recording import RecordingStatus
from services.intake.store.erasing import count_matching, find_matching
from services.intake.store.reading import list_calls
from services.intake.store.tables import CallRow, RecordingRow
from services.intake.text_search import words_of
from services.shared.db.database import Database
from services.shared.db.tables import table_of
from tests.support.makers import NOON, a_checked_call, a_wav_record
from tests.support.uploading import an_account, upload

ORDERS = [CallOrder(field=name, is_descending=down) for name in OrderField for down in (True, False)]
MINUTE = timedelta(minutes=1)


def records(*names: str) -> list[RecordDraft]:
    return [a_wav_record(employee_name=name) for name in names]


def tags(*names: str) -> list[TagDraft]:
    return [TagDraft(tag_id=None, tag_name=name) for name in names]


STORED: Sequence[dict[str, Any]] = [
    {"ext_id": "plain"},
    {"ext_id": "Anna's", "wav_records": records("Anna Petrova"), "tags": tags("new customer")},
    {"ext_id": "two", "wav_records": records("Иван Ёлкин", "anna  PETROVA"), "tags": tags("vip", "new customer")},
    {"ext_id": "100%", "comment": "Скидка 100% на всё", "tags": tags("VIP")},
    {"ext_id": "a_b\\c", "comment": "it's \"quoted\"; DROP TABLE calls --", "calling_phone_number": "+79030001122"},
    {"ext_id": "axb", "comment": "STRASSE", "wav_records": records("Fußmann"), "is_lost": True},
    {"ext_id": "abroad", "calling_phone_number": "+4930123456", "called_phone_number": "+74955140577"},
    {"ext_id": "out", "direction": Direction.OUT, "called_phone_number": "84951112233", "calling_phone_number": "+74955140576", "comment": "ПЕРЕЗВОНИТЬ Анне"},
    {"ext_id": "hidden", "calling_phone_number": "", "tags": tags("%")},
    {"ext_id": "late", "start_time": "2026-11-02 10:00:30", "wav_records": records("Иван Ёлкин")},
]  # fmt: skip


async def filled(db: Database) -> Account:
    """An account with STORED as its calls 1 to 10, of which some share a start or an upload; another account has the same."""
    account, other = await an_account(db), await an_account(db, b"u" * 32)
    calls = [
        a_checked_call(0, **({"start_time": f"2026-11-02 10:00:{place * 7 % 5:02}"} | fields))
        for place, fields in enumerate(STORED)
    ]
    await upload(db, account, *calls)
    await upload(db, other, *calls)
    await db.write(_judge)
    return account


def _judge(connection: Connection) -> None:
    """Anna's is accepted; of two, the first is refused and the second accepted; axb is refused; late is judged anew, having been refused."""
    calls, recordings = table_of(CallRow), table_of(RecordingRow)
    for place in range(len(STORED)):
        of = calls.c.call_session_id == place + 1
        connection.execute(update(calls).where(of).values(upload_time=NOON + MINUTE * (place * 3 % 5)))
    judged = [
        (2, 0, RecordingStatus.ACCEPTED, None),
        (3, 0, RecordingStatus.REFUSED, "decode_error"),
        (3, 1, RecordingStatus.ACCEPTED, None),
        (6, 0, RecordingStatus.REFUSED, "wav_processing_error"),
        (10, 0, RecordingStatus.FETCHED, "decode_error"),
    ]
    for number, position, status, code in judged:
        of = (recordings.c.call_session_id == number) & (recordings.c.position == position)
        changed = connection.execute(update(recordings).where(of).values(status=status, error_code=code))
        assert changed.rowcount == 1


async def paged(
    db: Database,
    account: Account,
    filter_: CallFilter,
    order: CallOrder = NEWEST_FIRST,
    most: int = 100,
    between: Callable[[], Awaitable[object]] | None = None,
) -> list[str]:
    """The ext_ids of all pages."""
    found: list[str] = []
    after: Position | None = None
    while True:
        page = await db.read(list_calls, account.account_id, filter_, most, after, order)
        assert len(page.calls) <= most
        found += [call.row.ext_id for _, call in page.calls]
        after = page.goes_on_after
        if after is None:
            return found
        if between:
            await between()


WAYS = ["by an index", "along the order", "along the order, three at a time", "by an index, two texts at a time"]


def take_way(way: str, patch: pytest.MonkeyPatch) -> None:
    """How calls are found from here on."""
    finding = "services.intake.store.finding"
    if way.startswith("along"):
        patch.setattr(f"{finding}.FEW", -1)
    if "three" in way:
        patch.setattr(f"{finding}.LOOKED_AT", 3)
        patch.setattr(f"{finding}.READ_THROUGH", 3)
    if "texts" in way:
        patch.setattr(f"{finding}.READ_THROUGH", 2)
        patch.setattr("services.intake.store.texts.MOST_CHARACTERS", 1)


def number(text: str) -> CallFilter:
    return CallFilter(number=tidy_number(text))


def text(words: str) -> CallFilter:
    return CallFilter(words=words_of(words))


FOUND = [
    ("everything", CallFilter(), [str(each["ext_id"]) for each in STORED]),
    ("accepted", CallFilter(verdicts=("accepted",)), ["Anna's", "two"]),
    ("a code", CallFilter(verdicts=("decode_error",)), ["two"]),
    ("codes", CallFilter(verdicts=("decode_error", "wav_processing_error")), ["two", "axb"]),
    ("a code or accepted", CallFilter(verdicts=("accepted", "wav_processing_error")), ["Anna's", "two", "axb"]),
    ("a code that none has", CallFilter(verdicts=("internal_error",)), []),
    ("an employee, however written", CallFilter(employee_keys=(name_key(" ANNA petrova"),)), ["Anna's", "two"]),
    ("employees by number and name", CallFilter(employee_ids=(3,), employee_keys=(name_key("FUSSMANN"),)), ["two", "axb", "late"]),
    ("an employee of another account", CallFilter(employee_ids=(4,)), []),
    ("an employee of nobody", CallFilter(employee_keys=("anna",)), []),
    ("a tag", CallFilter(tag_names=("new customer",)), ["Anna's", "two"]),
    ("a tag, by case", CallFilter(tag_names=("vip",)), ["two"]),
    ("a tag that is a wildcard", CallFilter(tag_names=("%",)), ["hidden"]),
    ("tags by number and name", CallFilter(tag_names=("vip",), tag_ids=(4,)), ["two", "100%"]),
    ("a tag of another account", CallFilter(tag_ids=(9,)), []),
    ("no such tag", CallFilter(tag_names=("new_customer",)), []),
    ("a number", number("8 (926) 244-43-97"), ["plain", "Anna's", "two", "100%", "axb", "late"]),
    ("a number of either side", number("+7 495 514 05 76"), ["plain", "Anna's", "two", "100%", "a_b\\c", "axb", "out", "hidden", "late"]),
    ("the called one, as dialled at home", number("(495) 111-22-33"), ["out"]),
    ("the last digits", number("1122"), ["a_b\\c", "out"]),
    ("digits within", number("3000112"), ["a_b\\c"]),
    ("a beginning with a plus", number("+4930"), ["abroad"]),
    ("a beginning as dialled at home", number("8903"), ["a_b\\c"]),
    ("a beginning as dialled abroad", number("810 49 30"), ["abroad"]),
    ("a plus is a beginning", number("+0001"), []),
    ("a word of a comment, by no case", text("скидка"), ["100%"]),
    ("ё and ß", text("ЁЛКИН"), ["two", "late"]),
    ("ß is ss", text("fuss"), ["axb"]),
    ("ss is ß", text("straße"), ["axb"]),
    ("words of different places", text("petrova CUSTOMER ann"), ["Anna's", "two"]),
    ("all words", text("petrova nobody"), []),
    ("a percent sign", text("100%"), ["100%"]),
    ("a percent sign of a tag", text("%"), ["100%", "hidden"]),
    ("an underscore", text("a_b"), ["a_b\\c"]),
    ("a backslash", text("b\\c"), ["a_b\\c"]),
    ("quotes", text("it's \"quoted\"; --"), ["a_b\\c"]),
    ("digits of a number", text("4930123456"), ["abroad"]),
    ("an ext_id", text("ABROAD"), ["abroad"]),
    ("the comment and tags of some", dataclasses.replace(text("vip"), tag_names=("new customer",)), ["two"]),
    ("lost ones of an employee", CallFilter(is_lost=True, employee_keys=(name_key("fussmann"),)), ["axb"]),
    ("a tag within a time", CallFilter(tag_names=("new customer",), upload_time_from=NOON + MINUTE, upload_time_before=NOON + MINUTE * 2), ["two"]),
    ("a tag within a time of start", CallFilter(tag_names=("new customer",), start_time_from=NOON - 5 * 60 * MINUTE + timedelta(seconds=2), start_time_before=NOON - 5 * 60 * MINUTE + timedelta(seconds=3)), ["Anna's"]),
]  # fmt: skip


@pytest.mark.parametrize(("filter_", "ext_ids"), [pytest.param(*each[1:], id=each[0]) for each in FOUND])
async def test_a_filter_finds_what_it_means_whichever_way(
    intake_db: Database, filter_: CallFilter, ext_ids: list[str]
) -> None:
    account = await filled(intake_db)

    for way in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            take_way(way, patch)
            assert await paged(intake_db, account, filter_, most=2) == ext_ids[::-1], way
            if not filter_.words:
                assert await intake_db.read(count_matching, account.account_id, filter_) == len(ext_ids), way
                numbers = await intake_db.read(find_matching, account.account_id, filter_, 100)
                assert numbers == [[each["ext_id"] for each in STORED].index(name) + 1 for name in ext_ids], way


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.field} {order.is_descending}")
@pytest.mark.parametrize("filter_", [CallFilter(), CallFilter(is_lost=False)], ids=["unfiltered", "filtered"])
async def test_pages_of_an_order_hold_every_call_once_while_others_are_stored(
    intake_db: Database, monkeypatch: pytest.MonkeyPatch, order: CallOrder, filter_: CallFilter
) -> None:
    take_way("along the order, three at a time", monkeypatch)
    account = await filled(intake_db)
    everything = await intake_db.read(list_calls, account.account_id, CallFilter(), 100, None)
    rows = [call.row for _, call in everything.calls if filter_.is_empty or not call.row.is_lost]
    rows.sort(key=lambda row: (getattr(row, order.field), row.call_session_id), reverse=order.is_descending)
    wanted = [row.ext_id for row in rows]
    stored = 0

    async def store_more() -> None:
        nonlocal stored
        if stored < 6:
            stored += 1
            fresh = a_checked_call(0, ext_id=f"fresh {stored}", start_time=f"2026-11-02 10:00:{stored:02}")
            await upload(intake_db, account, fresh, now=NOON + MINUTE * stored)

    found = await paged(intake_db, account, filter_, order, 2, store_more)

    assert [each for each in found if not each.startswith("fresh")] == wanted
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "filter_",
    [
        text("a"), CallFilter(tag_names=("new customer", "vip", "%")), CallFilter(is_lost=False, start_time_from=NOON - 5 * 60 * MINUTE),
        CallFilter(start_time_from=NOON - 5 * 60 * MINUTE + timedelta(seconds=2), upload_time_before=NOON + MINUTE * 4), number("4955140576"),
        CallFilter(start_time_from=NOON - 5 * 60 * MINUTE + timedelta(seconds=2), words=words_of("а")),
    ],
    ids=["text", "tags", "columns", "windows", "number", "text in a window"],
)  # fmt: skip
async def test_a_filter_keeps_the_order(intake_db: Database, filter_: CallFilter) -> None:
    account = await filled(intake_db)
    matching = set(await paged(intake_db, account, filter_))
    assert matching

    for order in ORDERS:
        in_order = await paged(intake_db, account, CallFilter(), order)
        wanted = [each for each in in_order if each in matching]
        for way in WAYS:
            with pytest.MonkeyPatch.context() as patch:
                take_way(way, patch)
                assert await paged(intake_db, account, filter_, order, 2) == wanted, (way, order)


async def test_a_page_looks_at_so_many_calls_and_no_more(intake_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.intake.store.finding.FEW", -1)
    monkeypatch.setattr("services.intake.store.finding.LOOKED_AT", 4)
    account = await filled(intake_db)
    rare = CallFilter(verdicts=("wav_processing_error",))

    first = await intake_db.read(list_calls, account.account_id, rare, 100, None)
    second = await intake_db.read(list_calls, account.account_id, rare, 100, first.goes_on_after)
    third = await intake_db.read(list_calls, account.account_id, rare, 100, second.goes_on_after)

    assert [[call.row.ext_id for _, call in page.calls] for page in (first, second, third)] == [[], ["axb"], []]
    assert [page.goes_on_after for page in (first, second, third)] == [Position(7, 7), Position(3, 3), None]
