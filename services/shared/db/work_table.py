"""Durable work: rows that one worker at a time holds under a lease, claimed fairly across accounts.

A row is ready, leased or delayed. A claim gives it a token that never repeats in the database; renewing, advancing and finishing match the token, so a
worker that lost its lease changes nothing. A sweep, which anybody may run, frees what ran out. Rows go when the work is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    SmallInteger,
    Table,
    delete,
    select,
    text,
    update,
)
from sqlalchemy import Sequence as TokenSequence

from services.shared.db.bulk import insert_all
from services.shared.db.claim_sql import claim_sql
from services.shared.db.dialects import Sql, is_postgresql
from services.shared.db.tables import BIG_ID, Moment, from_microseconds, to_microseconds

READY, LEASED, DELAYED = 0, 1, 2

RING_ACCOUNTS = 20
"""Accounts that one claim looks at, from where the last one stopped: the cost stays flat however many wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A piece of work that is ours until the lease ends. `expiries` counts the leases that ran out in this stage."""

    key: int
    account_id: int
    token: int
    expiries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A lease that ran out and was freed."""

    key: int
    account_id: int
    stage: int
    token: int
    expiries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep of all work did: leases that ran out, and the calls that lost too many of them."""

    expired: int
    given_up: Sequence[int]


WAITING_COUNTED = 10_000


def work_columns(metadata: MetaData, name: str, *, has_lanes: bool = False) -> Table:
    """The table of one kind of work with its indexes, for migrations and for `WorkTable`; with a lane for `LaneWorkTable`."""
    lanes = (Column("lane", BigInteger, nullable=False),) if has_lanes else ()
    work = Table(
        name,
        metadata,
        Column("key", BIG_ID, primary_key=True, autoincrement=False),
        Column("account_id", BigInteger, nullable=False),
        *lanes,
        Column("stage", SmallInteger, nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("state", SmallInteger, nullable=False),
        # Ready: since when; leased: when the lease ends; delayed: when it is ready again.
        Column("due", Moment, nullable=False),
        Column("token", BigInteger, nullable=False),
        Column("expiries", Integer, nullable=False),
    )
    Index(
        f"{name}_ready",
        work.c.stage,
        work.c.account_id,
        *([work.c.lane] if has_lanes else []),
        work.c.priority,
        work.c.key,
        sqlite_where=text("state = 0"),
        postgresql_where=text("state = 0"),
    )
    Index(
        f"{name}_leased",
        work.c.stage,
        work.c.account_id,
        *([work.c.lane] if has_lanes else []),
        sqlite_where=text("state = 1"),
        postgresql_where=text("state = 1"),
    )
    if has_lanes:
        Index(
            f"{name}_delayed",
            work.c.stage,
            work.c.account_id,
            work.c.lane,
            sqlite_where=text("state = 2"),
            postgresql_where=text("state = 2"),
        )
    Index(f"{name}_due", work.c.due, sqlite_where=text("state <> 0"), postgresql_where=text("state <> 0"))
    return work


TOKENS_AT_ONCE = 10_000


def token_column(metadata: MetaData) -> Table:
    """Where the tokens of all work tables of a database come from: on SQLite one row, on PostgreSQL a sequence, which nobody waits for."""
    TokenSequence("work_tokens", increment=TOKENS_AT_ONCE, metadata=metadata)
    return Table("work_token", metadata, Column("last_token", BigInteger, nullable=False))


class WorkTable:
    """The operations on one work table. All take an open transaction."""

    def __init__(self, work: Table) -> None:
        self.table = work
        self._claim_sql = claim_sql(work.name)
        self._ensure_one_sql = Sql(_ENSURE.format(name=work.name), postgresql=_ENSURE_POSTGRESQL.format(name=work.name))
        self._lease_one_sql = Sql(_LEASE.format(name=work.name))
        self._holds_sql = Sql(_HOLDS.format(name=work.name))
        self._finish_one_sql = Sql(_FINISH.format(name=work.name))
        self._advance_sql = Sql(_ADVANCE.format(name=work.name))
        self._waiting_sql = Sql(_WAITING.format(name=work.name))
        self._put_sql = Sql(_PUT.format(name=work.name))

    def add(
        self,
        connection: Connection,
        keys: Sequence[tuple[int, int]],
        now: datetime,
        *,
        stage: int = 0,
        priority: int = 0,
    ) -> None:
        """Adds ready rows for (key, account_id) pairs that have none. Within an account, a smaller priority goes first."""
        if keys:
            insert_all(
                connection, self.table, [self._ready(key, account_id, stage, now, priority) for key, account_id in keys]
            )

    def ensure(self, connection: Connection, keys: Sequence[tuple[int, int]], now: datetime) -> None:
        """Makes sure that (key, account_id) pairs have a row, which nobody removes until the end of the transaction; one that is there stays as it is."""
        due = to_microseconds(now)
        rows = [{"key": key, "account_id": account_id, "due": due} for key, account_id in sorted(keys)]
        self._ensure_one_sql.change_each(connection, rows)

    def claim(
        self, connection: Connection, *, stage: int, most: int, after_account: int, now: datetime, lease_end: datetime
    ) -> list[Claim]:
        """Takes up to `most` ready rows, in turns over the accounts that follow `after_account`; an account with fewer leases goes first."""
        asked = {"stage": stage, "most": most, "after": after_account, "ring": RING_ACCOUNTS}
        claim = self._claim_sql[connection.dialect.name]
        if not is_postgresql(connection):
            return self.lease(connection, connection.execute(claim, asked).all(), lease_end)
        leased = connection.execute(claim, {**asked, "due": to_microseconds(lease_end)}).all()
        return [
            Claim(key=row.key, account_id=row.account_id, token=row.token, expiries=row.expiries)
            for row in sorted(leased, key=lambda row: int(row.token))
        ]

    def lease(self, connection: Connection, found: Sequence[Row[Any]], lease_end: datetime) -> list[Claim]:
        """Leases ready rows (key, account_id, expiries) that were found in this transaction."""
        if not found:
            return []
        last = next_tokens(connection, len(found))
        claims = [
            Claim(key=row.key, account_id=row.account_id, token=last - place, expiries=row.expiries)
            for place, row in enumerate(found)
        ]
        due = to_microseconds(lease_end)
        self._lease_one_sql.change_each(
            connection, [{"key": claim.key, "token": claim.token, "due": due} for claim in claims]
        )
        return claims

    def renew(self, connection: Connection, held: Sequence[tuple[int, int]], lease_end: datetime) -> set[int]:
        """Lengthens the leases of (key, token) pairs; answers the tokens that still hold."""
        return {token for key, token in held if self._put(connection, key, token, LEASED, lease_end)}

    def holds(self, connection: Connection, key: int, token: int) -> bool:
        """True while the row is leased under this token, and until the end of the transaction."""
        return bool(self._holds_sql.rows(connection, {"key": key, "token": token}))

    def finish(self, connection: Connection, key: int, token: int) -> bool:
        """Removes the row if the lease is still ours; False otherwise."""
        return self._finish_one_sql.change(connection, {"key": key, "token": token}) == 1

    def advance(self, connection: Connection, key: int, token: int, *, stage: int, now: datetime) -> bool:
        """Makes the row ready in another stage if the lease is still ours; False otherwise. The count of expiries starts again."""
        values = {"key": key, "token": token, "stage": stage, "due": to_microseconds(now)}
        return self._advance_sql.change(connection, values) == 1

    def release(self, connection: Connection, key: int, token: int, now: datetime) -> bool:
        """Gives the row back if the lease is still ours; False otherwise."""
        return self._put(connection, key, token, READY, now)

    def delay(self, connection: Connection, key: int, token: int, until: datetime) -> bool:
        """Puts the row off until then if the lease is still ours; False otherwise."""
        return self._put(connection, key, token, DELAYED, until)

    def waiting(self, connection: Connection, stage: int) -> tuple[int, datetime | None]:
        """How many rows of a stage are ready, and since when the oldest of them is. Looks at 10,000, of one account after the other."""
        row = connection.execute(self._waiting_sql.on(connection), {"stage": stage, "most": WAITING_COUNTED}).one()
        return row.pieces, None if row.oldest is None else from_microseconds(row.oldest)

    def drop(self, connection: Connection, keys: Sequence[int]) -> list[Expired]:
        """Removes rows whoever holds them. Answers the leases that were held."""
        gone = connection.execute(delete(self.table).where(self.table.c.key.in_(keys)).returning(self.table)).all()
        return [self._expired(row) for row in gone if row.state == LEASED]

    def sweep(self, connection: Connection, now: datetime, *, most: int = 500) -> list[Expired]:
        """Makes delayed rows ready whose time has come, and frees leases that ran out; answers the latter. Counts each as an expiry."""
        due = (
            select(self.table)
            .where(self.table.c.state != READY, self.table.c.due <= now)
            .order_by(self.table.c.due)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        rows = connection.execute(due).all()
        expired = [self._expired(row, counted=1) for row in rows if row.state == LEASED]
        self._free(connection, [row.key for row in rows if row.state == DELAYED], now, counted=0)
        self._free(connection, [lease.key for lease in expired], now, counted=1)
        return expired

    def free_all(self, connection: Connection, now: datetime) -> list[Expired]:
        """Frees every lease, for the single owner of a database at its start: whoever held them is dead. Not counted as expiries."""
        rows = connection.execute(select(self.table).where(self.table.c.state == LEASED)).all()
        freed = [self._expired(row) for row in rows]
        self._free(connection, [lease.key for lease in freed], now, counted=0)
        return freed

    @staticmethod
    def _expired(row: Row[Any], *, counted: int = 0) -> Expired:
        return Expired(
            key=row.key,
            account_id=row.account_id,
            stage=row.stage,
            token=row.token,
            expiries=row.expiries + counted,
        )

    @staticmethod
    def _ready(key: int, account_id: int, stage: int, now: datetime, priority: int = 0) -> dict[str, object]:
        return {
            "key": key,
            "account_id": account_id,
            "stage": stage,
            "priority": priority,
            "state": READY,
            "due": now,
            "token": 0,
            "expiries": 0,
        }

    def _put(self, connection: Connection, key: int, token: int, state: int, due: datetime) -> bool:
        values = {"key": key, "token": token, "state": state, "due": to_microseconds(due)}
        return self._put_sql.change(connection, values) == 1

    def _free(self, connection: Connection, keys: Sequence[int], now: datetime, *, counted: int) -> None:
        if keys:
            connection.execute(
                update(self.table)
                .where(self.table.c.key.in_(keys))
                .values(state=READY, due=now, expiries=self.table.c.expiries + counted)
            )


def next_tokens(connection: Connection, count: int) -> int:
    """Reserves `count` tokens, up to 10,000; answers the last of them."""
    last: int
    if is_postgresql(connection):
        last = connection.execute(_NEXT_OF_SEQUENCE).scalar_one() + count
    else:
        last = connection.execute(_NEXT_OF_ROW, {"count": count}).scalar_one()
    return last


_NEXT_OF_SEQUENCE = text("SELECT nextval('work_tokens')")
_NEXT_OF_ROW = text("UPDATE work_token SET last_token = last_token + :count RETURNING last_token")

# As texts, made once: building the same as expressions for each piece of work took longer than the database does.
_ENSURE = """
INSERT INTO {name} (key, account_id, stage, priority, state, due, token, expiries) VALUES (:key, :account_id, 0, 0, 0, :due, 0, 0)
ON CONFLICT (key) DO NOTHING
"""
# Doing nothing would lock nothing: whoever ends the row must see what it is needed for.
_ENSURE_POSTGRESQL = _ENSURE.replace("DO NOTHING", "DO UPDATE SET key = excluded.key")
_LEASE = "UPDATE {name} SET state = 1, due = :due, token = :token WHERE key = :key"
_HELD = "key = :key AND token = :token AND state = 1"
_HOLDS = f"SELECT w.key FROM {{name}} AS w WHERE {_HELD} LOCKED(w)"  # noqa: S608
_FINISH = f"DELETE FROM {{name}} WHERE {_HELD}"  # noqa: S608
_ADVANCE = f"UPDATE {{name}} SET state = 0, stage = :stage, due = :due, expiries = 0 WHERE {_HELD}"  # noqa: S608
_WAITING = """
SELECT count(*) AS pieces, min(due) AS oldest FROM (
  SELECT due FROM {name} INDEXED BY {name}_ready WHERE state = 0 AND stage = :stage LIMIT :most) AS ready
"""
_PUT = f"UPDATE {{name}} SET state = :state, due = :due WHERE {_HELD}"  # noqa: S608
