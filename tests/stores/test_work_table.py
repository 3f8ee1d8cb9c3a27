"""Durable work: claims in turns over accounts, leases, and tokens that fence late workers."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from services.intake.store.tables import CALL_WORK, METADATA, OUTBOX_WORK
from services.shared.db.database import Database
from services.shared.db.work_table import Claim
from tests.support.makers import NOON

LEASE = timedelta(seconds=30)


async def claim(db: Database, most: int = 10, after: int = 0, stage: int = 0, later_s: float = 0) -> list[Claim]:
    now = NOON + timedelta(seconds=later_s)
    return await db.write(CALL_WORK.claim, stage=stage, most=most, after_account=after, now=now, lease_end=now + LEASE)


async def test_a_small_account_is_served_between_the_calls_of_a_large_one(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(key, 1) for key in range(1, 1001)], NOON)
    await intake_db.write(CALL_WORK.add, [(key, 2) for key in range(2001, 2011)], NOON)

    served: list[int] = []
    after = 0
    while sum(account == 2 for account in served) < 10:
        claims = await claim(intake_db, 1, after)
        after = claims[0].account_id
        served.append(after)
        await intake_db.write(CALL_WORK.finish, claims[0].key, claims[0].token)

    assert len(served) <= 21


async def test_a_new_account_does_not_wait_behind_as_many_large_ones_as_there_are_places(
    intake_db: Database,
) -> None:
    for account in (1, 2, 3):
        keys = [(account * 1000 + key, account) for key in range(300)]
        await intake_db.write(CALL_WORK.add, keys, NOON)
    held = await claim(intake_db, 3)
    await intake_db.write(CALL_WORK.add, [(9000, 4)], NOON)

    after = held[-1].account_id
    served = []
    for _ in range(8):
        done = held.pop(0)
        await intake_db.write(CALL_WORK.finish, done.key, done.token)
        (fresh,) = await claim(intake_db, 1, after)
        after = fresh.account_id
        held.append(fresh)
        served.append(fresh.key)

    assert 9000 in served[:4]


async def test_claims_come_in_turns_over_the_accounts_that_follow(intake_db: Database) -> None:
    for account, keys in ((1, (10, 11, 12)), (2, (20,)), (3, (30, 31))):
        await intake_db.write(CALL_WORK.add, [(key, account) for key in keys], NOON)

    assert [each.key for each in await claim(intake_db, 5, after=1)] == [20, 30, 10, 31, 11]


async def test_every_row_is_claimed_once(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(key, key % 7) for key in range(100)], NOON)

    claimed = [each for _ in range(12) for each in await claim(intake_db, 9)]

    assert sorted(each.key for each in claimed) == list(range(100))
    assert len({each.token for each in claimed}) == 100


async def test_tokens_never_repeat_in_a_database_over_tables_and_new_rows(intake_db: Database) -> None:
    tokens = []
    for _ in range(3):
        for work in (CALL_WORK, OUTBOX_WORK):
            await intake_db.write(work.add, [(1, 1)], NOON)
            (claimed,) = await intake_db.write(
                work.claim, stage=0, most=1, after_account=0, now=NOON, lease_end=NOON + LEASE
            )
            await intake_db.write(work.finish, claimed.key, claimed.token)
            tokens.append(claimed.token)

    assert len(set(tokens)) == 6


async def test_a_late_worker_changes_nothing(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(1, 1)], NOON)
    (late,) = await claim(intake_db)
    (expired,) = await intake_db.write(CALL_WORK.sweep, NOON + LEASE)
    (current,) = await claim(intake_db, later_s=31)

    assert (expired.key, expired.token, expired.expiries) == (1, late.token, 1)
    assert current.expiries == 1
    assert await intake_db.write(CALL_WORK.renew, [(1, late.token)], NOON + LEASE) == set()
    assert not await intake_db.write(CALL_WORK.finish, 1, late.token)
    assert not await intake_db.write(CALL_WORK.delay, 1, late.token, NOON)
    assert not await intake_db.write(CALL_WORK.advance, 1, late.token, stage=1, now=NOON)
    assert not await intake_db.write(CALL_WORK.release, 1, late.token, NOON)
    assert await intake_db.write(CALL_WORK.finish, 1, current.token)


async def test_a_delay_is_no_expiry_and_ends_at_its_time(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(1, 1)], NOON)
    (held,) = await claim(intake_db)
    await intake_db.write(CALL_WORK.delay, 1, held.token, NOON + timedelta(seconds=60))

    assert await intake_db.write(CALL_WORK.sweep, NOON + timedelta(seconds=59)) == []
    assert await claim(intake_db) == []
    assert await intake_db.write(CALL_WORK.sweep, NOON + timedelta(seconds=60)) == []
    assert [each.expiries for each in await claim(intake_db, later_s=61)] == [0]


async def test_a_new_stage_starts_with_no_expiries(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(1, 1)], NOON)
    await claim(intake_db)
    await intake_db.write(CALL_WORK.sweep, NOON + LEASE)
    (held,) = await claim(intake_db, later_s=31)
    await intake_db.write(CALL_WORK.advance, 1, held.token, stage=1, now=NOON)

    assert await claim(intake_db, stage=0) == []
    assert [each.expiries for each in await claim(intake_db, stage=1)] == [0]


async def test_the_owner_frees_its_predecessors_leases_without_counting_them(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(1, 1), (2, 2)], NOON)
    await claim(intake_db, 1)

    freed = await intake_db.write(CALL_WORK.free_all, NOON)

    assert [lease.expiries for lease in freed] == [0]
    assert [each.expiries for each in await claim(intake_db)] == [0, 0]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    accounts=st.lists(st.integers(1, 12), min_size=1, max_size=80),
    most=st.integers(1, 9),
    after=st.integers(0, 13),
    held=st.integers(0, 20),
)
def test_a_claim_takes_as_much_as_it_may_and_deals_in_turns(
    accounts: list[int], most: int, after: int, held: int
) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        METADATA.create_all(connection)
        connection.exec_driver_sql("INSERT INTO work_token VALUES (0)")
        CALL_WORK.add(connection, list(enumerate(accounts)), NOON)

        def take(count: int, after_account: int) -> list[Claim]:
            return CALL_WORK.claim(
                connection, stage=0, most=count, after_account=after_account, now=NOON, lease_end=NOON + LEASE
            )

        before = take(held, 0) if held else []
        waiting = len(accounts) - len(before)

        claims = take(most, after)

        assert len(claims) == min(most, waiting)
        leases = [sum(each.account_id == account for each in [*before, *claims]) for account in set(accounts)]
        left = {account: accounts.count(account) for account in set(accounts)}
        for each in [*before, *claims]:
            left[each.account_id] -= 1
        # Whoever still waits holds at most one lease less than whoever got the most in this claim.
        got = {each.account_id for each in claims}
        top = max((sum(each.account_id == account for each in [*before, *claims]) for account in got), default=0)
        for account, count in left.items():
            if count and claims:
                mine = sum(each.account_id == account for each in [*before, *claims])
                assert mine >= top - 1
        assert sum(leases) == len(before) + len(claims)
    engine.dispose()
