"""docs/contract.md 4, 5: what an upload names by id or name: the account's own, found, created or refused."""

from typing import Any

import pytest
from sqlalchemy import Connection, text

from services.intake.account import OperatorChange
from services.intake.attribution import Attribution
from services.intake.draft import TagDraft
from services.intake.store.accounts import set_account
from services.shared.db.database import Database
from services.shared.errors import Refusals
from tests.support.makers import a_checked_call, a_wav_record
from tests.support.uploading import an_account, count, lookup, run, told, upload


@pytest.mark.contract("1 wav_records", "8 parameter_component_disabled")
async def test_wav_records_need_voice_analysis(intake_db: Database) -> None:
    account = await an_account(intake_db, has_voice_analysis=False)

    with pytest.raises(Refusals) as caught:
        await upload(intake_db, account, a_checked_call(wav_records=[a_wav_record()]))

    assert caught.value.first.mnemonic == "parameter_component_disabled"
    assert caught.value.first.path == ("calls", 0, "wav_records")


@pytest.mark.contract(
    "5 tag_name exactly",
    "5 tag_name created",
    "5 employee_name any case",
    "5 employee_name spaces",
    "5 employee_name created",
)
async def test_tags_are_found_exactly_and_employees_however_they_are_spelled(intake_db: Database) -> None:
    account = await an_account(intake_db)
    for number, (tag, employee) in enumerate(
        [("VIP", "Anna Petrova"), ("vip", "ANNA  petrova"), ("VIP", " anna petrova ")]
    ):
        await upload(
            intake_db,
            account,
            a_checked_call(
                ext_id=str(number), tags=[TagDraft(tag_name=tag)], wav_records=[a_wav_record(employee_name=employee)]
            ),
        )

    assert await count(intake_db, "tags WHERE NOT is_system") == 2
    assert await count(intake_db, "employees") == 1


@pytest.mark.contract("2 one call", "5 unknown id")
async def test_another_accounts_tag_employee_and_call_are_not_there(intake_db: Database) -> None:
    ours = await an_account(intake_db)
    theirs = await an_account(intake_db, b"u" * 32)
    await upload(intake_db, theirs, a_checked_call(tags=[TagDraft(tag_name="vip")], wav_records=[a_wav_record()]))
    ((theirs_tag, _),) = (await lookup(intake_db, theirs)).tags

    with pytest.raises(Refusals) as caught:
        await upload(
            intake_db,
            ours,
            a_checked_call(
                tags=[TagDraft(tag_id=theirs_tag)], mp3_records=[a_wav_record(employee_id=1, employee_channel=None)]
            ),
        )
    (mine,) = await upload(intake_db, ours, a_checked_call())

    assert [str(refusal.mnemonic) for refusal in caught.value.refusals] == ["entity_not_found"] * 2
    assert mine.outcome == "created"


@pytest.mark.contract("4 visitor_session_id wins", "4 visitor session carries", "4 site_id is dropped")
async def test_a_visitor_session_wins_and_a_site_yields_to_the_numbers_owner(intake_db: Database) -> None:
    account = await an_account(intake_db)

    def fill(connection: Connection) -> None:
        connection.execute(text("INSERT INTO sites VALUES (1, 1, 'one'), (1, 2, 'two')"))
        connection.execute(text("INSERT INTO site_numbers VALUES (1, '+74955140576', 2)"))
        connection.execute(text("INSERT INTO visitor_sessions VALUES (1, 8, 1, NULL, -1)"))

    await intake_db.write(fill)
    await upload(
        intake_db,
        account,
        a_checked_call(ext_id="session", attribution=Attribution(visitor_session_id=8, campaign_id=99, site_id=2)),
    )
    await upload(intake_db, account, a_checked_call(ext_id="other site", attribution=Attribution(site_id=1)))
    await upload(
        intake_db, account, a_checked_call(ext_id="same site", attribution=Attribution(site_id=2, source_id=-1))
    )

    session = (await lookup(intake_db, account, "session")).row
    assert (session.visitor_session_id, session.site_id, session.campaign_id, session.source_id) == (8, 1, None, -1)
    assert (await lookup(intake_db, account, "other site")).row.site_id is None
    assert (await lookup(intake_db, account, "same site")).row.site_id == 2


@pytest.mark.parametrize(
    "name", ["visitor_session_id", "campaign_id", "source_id", "site_id"], ids=lambda name: f"4 entity_not_found {name}"
)
async def test_an_id_of_nobody_or_of_another_account_is_not_found(intake_db: Database, name: str) -> None:
    account = await an_account(intake_db)
    await an_account(intake_db, b"u" * 32)
    await run(
        intake_db,
        "INSERT INTO campaigns VALUES (2, 1, 'theirs', TRUE), (1, 3, 'ours', TRUE)",
        "INSERT INTO sites VALUES (2, 1, 'theirs'), (1, 3, 'ours')",
        "INSERT INTO sources VALUES (2, 1, 'theirs'), (1, 3, 'ours')",
        "INSERT INTO visitor_sessions VALUES (2, 1, 1, 1, 1), (1, 3, 3, 3, 3)",
    )

    theirs = await told(intake_db, account, a_checked_call(attribution=Attribution(**{name: 1})))
    nobodys = await told(intake_db, account, a_checked_call(attribution=Attribution(**{name: 2})))
    (ours,) = await upload(intake_db, account, a_checked_call(attribution=Attribution(**{name: 3})))

    assert theirs == nobodys == [(name, "entity_not_found")]
    assert ours.outcome == "created"
    assert getattr((await lookup(intake_db, account)).row, name) == 3


@pytest.mark.contract("4 campaign_is_inactive", "8 campaign_is_inactive")
async def test_an_inactive_campaign_is_refused_by_its_name(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await run(intake_db, "INSERT INTO campaigns VALUES (1, 1, 'autumn', FALSE)")

    refused = await told(intake_db, account, a_checked_call(attribution=Attribution(campaign_id=1)))

    assert refused == [("campaign_id", "campaign_is_inactive")]


@pytest.mark.contract("4 visitor_session_id wins", "4 visitor session carries", "1 visitor_session_id")
async def test_what_a_visitor_session_carries_is_taken_as_it_stands(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await run(
        intake_db,
        "INSERT INTO campaigns VALUES (1, 1, 'paused', FALSE)",
        "INSERT INTO sites VALUES (1, 1, 'one'), (1, 2, 'two')",
        "INSERT INTO site_numbers VALUES (1, '+74955140576', 2)",
        "INSERT INTO visitor_sessions VALUES (1, 8, 1, 1, -1), (1, 9, NULL, NULL, NULL)",
    )
    others = {"campaign_id": 77, "source_id": 77, "site_id": 77}

    for ext_id, session in (("full", 8), ("bare", 9)):
        named = Attribution(visitor_session_id=session, **others)
        await upload(intake_db, account, a_checked_call(ext_id=ext_id, attribution=named))

    full, bare = (await lookup(intake_db, account, "full")).row, (await lookup(intake_db, account, "bare")).row
    assert (full.visitor_session_id, full.campaign_id, full.source_id, full.site_id) == (8, 1, -1, 1)
    assert (bare.visitor_session_id, bare.campaign_id, bare.source_id, bare.site_id) == (9, None, None, None)


@pytest.mark.parametrize(
    ("owner", "kept"),
    [
        pytest.param("(1, '+74955140576', 1)", 1, id="4 site_id is dropped, not of its own number"),
        pytest.param("(1, '+74955140576', 2)", None, id="4 site_id is dropped, another site's number"),
        pytest.param("(1, '+74955140577', 2)", 1, id="4 site_id is dropped, not for another number"),
        pytest.param("(2, '+74955140576', 2)", 1, id="4 site_id is dropped, not for another account"),
    ],
)
async def test_a_site_yields_to_the_owner_of_the_called_number(
    intake_db: Database, owner: str, kept: int | None
) -> None:
    account = await an_account(intake_db)
    await run(
        intake_db, "INSERT INTO sites VALUES (1, 1, 'one'), (1, 2, 'two')", f"INSERT INTO site_numbers VALUES {owner}"
    )

    await upload(
        intake_db, account, a_checked_call(called_phone_number="84955140576", attribution=Attribution(site_id=1))
    )

    assert (await lookup(intake_db, account)).row.site_id == kept


@pytest.mark.contract(
    "5 tag_name ignored", "5 employee_name ignored", "6 mp3_records employee_id", "6 wav_records employee_id"
)
@pytest.mark.parametrize("kind", ["wav_records", "mp3_records"])
async def test_a_name_beside_an_id_is_passed_over(intake_db: Database, kind: str) -> None:
    account = await an_account(intake_db)
    await run(
        intake_db, "INSERT INTO tags VALUES (7, 1, 'vip', FALSE)", "INSERT INTO employees VALUES (7, 1, 'Anna', 'anna')"
    )
    channel = {} if kind == "wav_records" else {"employee_channel": None}
    records: dict[str, Any] = {kind: [a_wav_record(employee_id=7, employee_name="Boris", **channel)]}

    await upload(intake_db, account, a_checked_call(tags=[TagDraft(tag_id=7, tag_name="Sale")], **records))

    stored = await lookup(intake_db, account)
    assert stored.tags == [(7, "vip")]
    assert [(each.row.employee_id, each.employee_name) for each in stored.recordings] == [(7, "Anna")]
    assert (await count(intake_db, "tags WHERE NOT is_system"), await count(intake_db, "employees")) == (1, 1)


@pytest.mark.parametrize(
    ("tag", "refused"),
    [
        pytest.param(
            TagDraft(tag_name="Sale"), [("tags.0.tag_name", "invalid_parameter_value")], id="5 system tag by name"
        ),
        pytest.param(TagDraft(tag_id=1), [("tags.0.tag_id", "invalid_parameter_value")], id="5 system tag by id"),
        pytest.param(TagDraft(tag_id=99), [("tags.0.tag_id", "entity_not_found")], id="5 unknown id of a tag"),
    ],
)
async def test_a_tag_that_is_not_for_uploads_is_refused(
    intake_db: Database, tag: TagDraft, refused: list[tuple[str, str]]
) -> None:
    account = await an_account(intake_db)

    assert await told(intake_db, account, a_checked_call(tags=[tag])) == refused


@pytest.mark.parametrize("name", ["sale", "SALE", "Sale ", " Sale"], ids=lambda name: f"5 tag_name exactly, {name!r}")
async def test_a_name_like_a_tags_is_another_tag(intake_db: Database, name: str) -> None:
    account = await an_account(intake_db)

    await upload(intake_db, account, a_checked_call(tags=[TagDraft(tag_name=name)]))

    assert [tag for _, tag in (await lookup(intake_db, account)).tags] == [name]


@pytest.mark.parametrize("kind", ["wav_records", "mp3_records"], ids=lambda kind: f"6 {kind} employee_id of nobody")
async def test_an_employee_of_nobody_is_not_found(intake_db: Database, kind: str) -> None:
    account = await an_account(intake_db)
    channel = {} if kind == "wav_records" else {"employee_channel": None}
    records: dict[str, Any] = {kind: [a_wav_record(employee_id=7, **channel)]}

    assert await told(intake_db, account, a_checked_call(**records)) == [(f"{kind}.0.employee_id", "entity_not_found")]


@pytest.mark.contract("1 wav_records", "1 mp3_records")
async def test_without_voice_analysis_an_mp3_is_taken(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await intake_db.write(set_account, account.account_id, OperatorChange(has_voice_analysis=False))
    record = a_wav_record(employee_channel=None, employee_name=None)

    (answer,) = await upload(intake_db, account, a_checked_call(mp3_records=[record]))

    assert answer.outcome == "created"
    assert [each.row.employee_id for each in (await lookup(intake_db, account)).recordings] == [None]
