"""DirectoryService over REST and gRPC: what calls may name, and how uploads find it (docs/contract.md 4, 5)."""

import json
from typing import Any

import grpc
import pytest
from calldock.intake.v1.directory_pb2 import Site, Tag
from calldock.intake.v1.directory_service_pb2 import (
    BatchCreateTagsRequest,
    CreateSiteRequest,
    ListTagsRequest,
    UpdateSiteRequest,
)
from calldock.intake.v1.directory_service_pb2_grpc import DirectoryServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, Reply

KINDS = [
    pytest.param("tags", "tag_id", {"name": "vip"}, {"name": "gold"}, id="tags"),
    pytest.param("employees", "employee_id", {"full_name": "Anna Petrova"}, {"full_name": "Anna Orlova"}, id="employees"),
    pytest.param("sites", "site_id", {"name": "shop"}, {"phone_numbers": ["+74955140576"]}, id="sites"),
    pytest.param("campaigns", "campaign_id", {"name": "autumn"}, {"is_active": False}, id="campaigns"),
    pytest.param("sources", "source_id", {"name": "search"}, {"name": "maps"}, id="sources"),
    pytest.param("visitorSessions", "visitor_session_id", {"visitor_session_id": "77"}, {"source_id": "-1"}, id="visitor sessions"),
]  # fmt: skip


def post(calldock: Calldock, account: Account, path: str, **body: Any) -> Reply:
    return calldock.http("POST", f"/v1/{path}", json.dumps(body), account.token)


def patch(calldock: Calldock, account: Account, path: str, **body: Any) -> Reply:
    return calldock.http("PATCH", f"/v1/{path}", json.dumps(body), account.token)


def entries(calldock: Calldock, account: Account, kind: str) -> list[dict[str, Any]]:
    answer = calldock.http("GET", f"/v1/{kind}", token=account.token).json
    (name,) = answer.keys() - {"next_page_token"}
    return [entry for entry in answer[name] if not entry.get("is_system")]


def reason(answer: Reply) -> tuple[int, str, str]:
    info, *bad = answer.json["details"]
    return answer.status, info["reason"], bad[0]["field_violations"][0]["field"] if bad else ""


@pytest.fixture
def fresh(calldock: Calldock) -> Account:
    return calldock.account("Directory")


def plural(kind: str) -> str:
    return {"visitorSessions": "visitor_sessions"}.get(kind, kind)


@pytest.mark.contract("4 directory", "8 gRPC ALREADY_EXISTS", "8 duplicate_entity")
@pytest.mark.parametrize(("kind", "number", "entry", "change"), KINDS)
def test_an_entry_is_created_once_changed_and_listed(
    calldock: Calldock, fresh: Account, kind: str, number: str, entry: dict[str, Any], change: dict[str, Any]
) -> None:
    made = post(calldock, fresh, kind, **entry)
    again = post(calldock, fresh, kind, **entry)
    path = f"{kind}/{made.json[number]}"
    changed = [patch(calldock, fresh, path, **change) for _ in range(2)]

    assert made.status == 200, made.body
    assert reason(again)[:2] == (409, "DUPLICATE_ENTITY")
    assert [answer.status for answer in changed] == [200, 200], changed[0].body
    assert changed[0].json == changed[1].json == {**made.json, **change}
    assert entries(calldock, fresh, kind) == [changed[0].json]


@pytest.mark.parametrize(("kind", "number", "entry", "change"), KINDS)
def test_a_batch_is_safe_to_repeat(
    calldock: Calldock, fresh: Account, kind: str, number: str, entry: dict[str, Any], change: dict[str, Any]
) -> None:
    batch = {plural(kind): [entry, entry]}

    first, second = (post(calldock, fresh, f"{kind}:batchCreate", **batch) for _ in range(2))

    assert first.status == 200, first.body
    assert first.json == second.json
    one, two = first.json[plural(kind)]
    assert one == two == entries(calldock, fresh, kind)[0]
    assert int(one[number]) > 0


@pytest.mark.parametrize(("kind", "number", "entry", "change"), KINDS)
def test_another_accounts_entry_is_as_one_that_is_not_there(
    calldock: Calldock, fresh: Account, kind: str, number: str, entry: dict[str, Any], change: dict[str, Any]
) -> None:  # fmt: skip
    theirs = post(calldock, fresh, kind, **entry).json[number]

    strange = patch(calldock, calldock.account("Stranger"), f"{kind}/{theirs}", **change)
    absent = patch(calldock, fresh, f"{kind}/987654321", **change)

    assert reason(strange)[:2] == reason(absent)[:2] == (404, "ENTITY_NOT_FOUND")
    assert strange.body.replace(f"came: {theirs})".encode(), b"came: 987654321)") == absent.body


@pytest.mark.parametrize(
    ("kind", "entry", "field", "why"),
    [
        pytest.param("tags", {}, "tag.name", "REQUIRED_PARAMETER_MISSED", id="4 directory no tag"),
        pytest.param("tags", {"name": "x" * 256}, "tag.name", "INVALID_PARAMETER_VALUE", id="4 directory long tag name"),
        pytest.param("employees", {"full_name": "   "}, "employee.full_name", "INVALID_PARAMETER_VALUE", id="4 directory blank employee"),
        pytest.param("sites", {"site_id": 9}, "site.name", "REQUIRED_PARAMETER_MISSED", id="4 directory site without name"),
        pytest.param("sites", {"name": "a", "phone_numbers": ["12"]}, "site.phone_numbers[0]", "INVALID_PARAMETER_VALUE", id="4 directory no telephone number"),
        pytest.param("sites", {"name": "a", "site_id": -1}, "site.site_id", "INVALID_PARAMETER_VALUE", id="4 directory number below 1"),
        pytest.param("campaigns", {"campaign_id": "4611686018427387905", "name": "a"}, "campaign.campaign_id", "INVALID_PARAMETER_VALUE", id="4 directory number too large"),
        pytest.param("sources", {"name": " "}, "source.name", "INVALID_PARAMETER_VALUE", id="4 directory blank source"),
        pytest.param("visitorSessions", {"site_id": 5}, "visitor_session.site_id", "ENTITY_NOT_FOUND", id="4 directory session on no site"),
        pytest.param("visitorSessions", {"campaign_id": 5}, "visitor_session.campaign_id", "ENTITY_NOT_FOUND", id="4 directory session of no campaign"),
        pytest.param("visitorSessions", {"source_id": 5}, "visitor_session.source_id", "ENTITY_NOT_FOUND", id="4 directory session of no source"),
        pytest.param("visitorSessions", {"source_id": 0}, "visitor_session.source_id", "INVALID_PARAMETER_VALUE", id="4 directory source 0"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_by_name(
    calldock: Calldock, fresh: Account, kind: str, entry: dict[str, Any], field: str, why: str
) -> None:
    assert reason(post(calldock, fresh, kind, **entry)) == (400, why, field)
    assert entries(calldock, fresh, kind) == []


def test_one_wrong_entry_keeps_the_whole_batch_out(calldock: Calldock, fresh: Account) -> None:
    refused = post(calldock, fresh, "sites:batchCreate", sites=[{"name": "one"}, {"name": ""}])
    many = post(calldock, fresh, "tags:batchCreate", tags=[{"name": str(number)} for number in range(501)])

    assert reason(refused) == (400, "REQUIRED_PARAMETER_MISSED", "sites[1].name")
    assert reason(many)[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert entries(calldock, fresh, "sites") == []


@pytest.mark.contract("4 directory")
def test_an_account_brings_the_numbers_that_its_calls_name(calldock: Calldock, fresh: Account) -> None:
    other = calldock.account("Same numbers")
    for account in (fresh, other):
        assert post(calldock, account, "campaigns", campaign_id=8101, name="autumn").status == 200
    chosen = post(calldock, fresh, "campaigns", name="winter").json["campaign_id"]
    differs = post(calldock, fresh, "campaigns:batchCreate", campaigns=[{"campaign_id": 8101, "name": "spring"}])

    assert chosen == "8102"
    assert reason(differs) == (409, "DUPLICATE_ENTITY", "campaigns[0].campaign_id")


def test_employees_are_one_however_they_are_spelled_and_tags_are_not(calldock: Calldock, fresh: Account) -> None:
    assert post(calldock, fresh, "employees", full_name=" Анна  ПЕТРОВА ").json["full_name"] == "Анна ПЕТРОВА"
    assert post(calldock, fresh, "employees", full_name="анна петрова").status == 409
    assert [post(calldock, fresh, "tags", name=name).status for name in ("vip", "VIP")] == [200, 200]


def test_a_system_tag_stays_as_it_is(calldock: Calldock, fresh: Account) -> None:
    (sale,) = calldock.http("GET", "/v1/tags", token=fresh.token).json["tags"]

    assert sale["is_system"] is True
    assert reason(patch(calldock, fresh, f"tags/{sale['tag_id']}", name="x")) == (400, "INVALID_PARAMETER_VALUE", "tag.tag_id")  # fmt: skip


def test_a_telephone_number_belongs_to_one_site(calldock: Calldock, fresh: Account) -> None:
    first = post(calldock, fresh, "sites", name="one", phone_numbers=["8 495 514-05-76", "+74955140576"]).json
    taken = post(calldock, fresh, "sites", name="two", phone_numbers=["74955140576"])
    cleared = calldock.http("PATCH", f"/v1/sites/{first['site_id']}?update_mask=phone_numbers", "{}", fresh.token)
    free = post(calldock, fresh, "sites", name="two", phone_numbers=["74955140576"])

    assert first["phone_numbers"] == ["+74955140576"]
    assert reason(taken) == (409, "DUPLICATE_ENTITY", "site.phone_numbers")
    assert cleared.json["phone_numbers"] == []
    assert cleared.json["name"] == "one"
    assert free.json["phone_numbers"] == ["+74955140576"]


def test_a_rename_to_a_taken_name_is_refused(calldock: Calldock, fresh: Account) -> None:
    post(calldock, fresh, "sources", name="one")
    two = post(calldock, fresh, "sources", name="two").json["source_id"]

    assert reason(patch(calldock, fresh, f"sources/{two}", name="one")) == (409, "DUPLICATE_ENTITY", "source.name")
    assert reason(calldock.http("PATCH", f"/v1/sources/{two}?update_mask=colour", "{}", fresh.token))[:2] == (400, "UNEXPECTED_PARAMETERS")  # fmt: skip


def test_uploads_find_what_was_created(calldock: Calldock, fresh: Account) -> None:
    post(calldock, fresh, "sites:batchCreate", sites=[
        {"site_id": 1, "name": "shop", "phone_numbers": ["+74955140576"]}, {"site_id": 2, "name": "blog"},
    ])  # fmt: skip
    post(calldock, fresh, "sources", source_id=3, name="search")
    post(calldock, fresh, "campaigns", campaign_id=4, name="autumn")
    post(calldock, fresh, "visitorSessions", visitor_session_id=5, site_id=2, campaign_id=4, source_id=-1)

    answer = calldock.upload(
        fresh,
        a_json_call(ext_id="own site", site_id=1, source_id=3, campaign_id=4),
        a_json_call(ext_id="other site", site_id=2),
        a_json_call(ext_id="session", visitor_session_id=5, site_id=1, source_id=3),
    )
    patch(calldock, fresh, "campaigns/4", is_active=False)
    refused = calldock.upload(fresh, a_json_call(ext_id="late", campaign_id=4))
    repeated = calldock.upload(fresh, a_json_call(ext_id="own site", site_id=1, source_id=3, campaign_id=4))

    assert answer.status == 200, answer.body
    own, other, session = (calldock.lookup(fresh, ext_id) for ext_id in ("own site", "other site", "session"))
    assert (own.site_id, own.source_id, own.campaign_id) == (1, 3, 4)
    assert not other.HasField("site_id")
    assert (session.visitor_session_id, session.site_id, session.campaign_id, session.source_id) == (5, 2, 4, -1)
    assert reason(refused) == (400, "CAMPAIGN_IS_INACTIVE", "calls[0].campaign_id")
    assert repeated.json["calls"][0]["outcome"] == "OUTCOME_DUPLICATE"


@pytest.mark.parametrize(
    ("role", "kind", "may"),
    [
        ("upload", "tags", True),
        ("upload", "visitorSessions", True),
        ("upload", "sites", False),
        ("read", "tags", False),
    ],
)
def test_who_may_create_what(calldock: Calldock, fresh: Account, role: str, kind: str, may: bool) -> None:
    made = post(calldock, fresh, "tokens", role=f"ROLE_{role.upper()}").json
    token = Account(fresh.account_id, made["access_token"], "")

    assert calldock.http("GET", f"/v1/{kind}", token=token.token).status == 200
    assert post(calldock, token, kind, name="x").status == (200 if may else 403)


def test_pages_neither_skip_nor_repeat_while_entries_are_added(calldock: Calldock, fresh: Account) -> None:
    stub = DirectoryServiceStub(calldock.channel)
    asked: Any = {"metadata": (("authorization", f"Bearer {fresh.token}"),), "timeout": 20}
    stub.BatchCreateTags(BatchCreateTagsRequest(tags=[Tag(name=f"tag {number}") for number in range(7)]), **asked)

    seen: list[str] = []
    token = ""
    while True:
        page = stub.ListTags(ListTagsRequest(page_size=3, page_token=token), **asked)
        seen += [tag.name for tag in page.tags]
        token = page.next_page_token
        if not token:
            break
        stub.BatchCreateTags(BatchCreateTagsRequest(tags=[Tag(name=f"late {token}")]), **asked)

    assert seen == [*(f"tag {number}" for number in reversed(range(7))), "Sale"]
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListTags(ListTagsRequest(page_token="x"), **asked)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_grpc_changes_only_what_the_mask_names(calldock: Calldock, fresh: Account) -> None:
    stub = DirectoryServiceStub(calldock.channel)
    asked: Any = {"metadata": (("authorization", f"Bearer {fresh.token}"),), "timeout": 20}
    site = stub.CreateSite(CreateSiteRequest(site=Site(name="one", phone_numbers=["+74955140576"])), **asked)

    change = Site(site_id=site.site_id, name="two", phone_numbers=["+74955140577"])
    changed = stub.UpdateSite(UpdateSiteRequest(site=change, update_mask=FieldMask(paths=["name"])), **asked)

    assert (changed.name, list(changed.phone_numbers)) == ("two", ["+74955140576"])


def test_a_number_in_the_body_does_not_win_over_the_one_in_the_path(calldock: Calldock, fresh: Account) -> None:
    one, two = (post(calldock, fresh, "tags", name=name).json["tag_id"] for name in ("one", "two"))

    same = patch(calldock, fresh, f"tags/{one}", tag_id=one, name="first")
    other = patch(calldock, fresh, f"tags/{one}", tag_id=two, name="lost")

    assert same.json["name"] == "first"
    assert other.status == 400
    assert {entry["name"] for entry in entries(calldock, fresh, "tags")} == {"first", "two"}
