"""Durable work in lanes: rows of one account that share a bound, such as all for one host. Whoever claims sees which lanes have ready work, and chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, select, text

from services.shared.db.dialects import Sql, read_rows, rows_text
from services.shared.db.tables import to_microseconds
from services.shared.db.work_table import DELAYED, LEASED, READY, Claim, WorkTable, next_tokens

LANES_OF_ACCOUNT = 64
"""Lanes of one account that one look finds: the cost stays flat however many an account has."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of an account."""

    account_id: int
    lane: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClaim(Claim):
    """A claim, and the lane that it was taken from."""

    lane: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRow:
    """A row to put into a lane; `until` puts it off."""

    key: int
    account_id: int
    lane: int
    until: datetime | None = None


class LaneWorkTable(WorkTable):
    """A work table with lanes. Its rows know one stage."""

    def __init__(self, work: Table) -> None:
        super().__init__(work)
        self._accounts_sql = Sql(_ACCOUNTS.format(name=work.name))
        self._lanes_sql = Sql(_LANES.format(name=work.name))
        self._rows_sql = Sql(_ROWS.format(name=work.name), postgresql=_ROWS_POSTGRESQL.format(name=work.name))
        self._lease_sql = Sql(_LEASE.format(name=work.name))
        self._held_sql = Sql(_HELD.format(name=work.name))
        self._finish_sql = Sql(_FINISH.format(name=work.name))
        self._renew_sql = Sql(_RENEW.format(name=work.name))
        self._place_sql = Sql(_PLACE.format(name=work.name))
        self._place_at_most_sql = Sql(_PLACE_AT_MOST.format(name=work.name))
        self._held_lanes_sql = Sql(_HELD_LANES.format(name=work.name))
        self._count_sql = Sql(_COUNT.format(name=work.name))

    def place(self, connection: Connection, rows: Sequence[LaneRow], now: datetime, *, at_most: bool = False) -> None:
        """Puts rows into their lanes, ready or put off, whatever they were before. With `at_most` one that is ready stays so, and one that is put off for less too. What is leased stays as it is."""
        if not rows:
            return
        placed = [
            (
                row.key,
                row.account_id,
                row.lane,
                READY if row.until is None or row.until <= now else DELAYED,
                row.until or now,
            )
            # In one order, in which racing writers do not wait for each other in a circle.
            for row in sorted(rows, key=lambda row: row.key)
        ]
        place = self._place_at_most_sql if at_most else self._place_sql
        place.change(connection, {"rows": rows_text(placed)})

    def ready_accounts(self, connection: Connection, after_account: int, most: int) -> list[int]:
        """Accounts with ready work that follow the given one, in order, up to `most`."""
        found = connection.execute(self._accounts_sql.on(connection), {"after": after_account, "most": most})
        return [row.account_id for row in found]

    def ready_lanes(self, connection: Connection, after_lane: Mapping[int, int]) -> list[Lane]:
        """Lanes with ready work of each of these accounts, in order, up to 64 that follow the lane given for the account."""
        asked = rows_text(list(after_lane.items()))
        found = connection.execute(self._lanes_sql.on(connection), {"asked": asked, "most": LANES_OF_ACCOUNT})
        return [Lane(row.account_id, row.lane) for row in found]

    def busy_lanes(self, connection: Connection) -> dict[Lane, int]:
        """How many rows of each lane are leased."""
        work = self.table.c
        counted = (
            select(work.account_id, work.lane, func.count().label("leases"))
            .where(work.state == LEASED, work.stage == 0)
            .group_by(work.account_id, work.lane)
        )
        return {Lane(row.account_id, row.lane): row.leases for row in connection.execute(counted)}

    def held_lanes(self, connection: Connection, claims: Sequence[Claim]) -> dict[Lane, int]:
        """How many rows of each lane are leased under these claims."""
        if not claims:
            return {}
        asked = rows_text([(claim.key, claim.token) for claim in claims])
        found = connection.execute(self._held_lanes_sql.on(connection), {"rows": asked})
        return {Lane(row.account_id, row.lane): row.leases for row in found}

    def count_lanes(self, connection: Connection, account_id: int) -> dict[int, int]:
        """How many rows each lane of an account has, in whatever state."""
        found = connection.execute(self._count_sql.on(connection), {"account_id": account_id})
        return {row.lane: row.rows_of_lane for row in found}

    def claim_in_lanes(self, connection: Connection, picks: Mapping[Lane, int], lease_end: datetime) -> list[LaneClaim]:
        """Leases up to so many ready rows of each lane, lowest keys first."""
        # One statement for all lanes of the same number: no limit is taken from a row.
        of_number: dict[int, list[tuple[int, int]]] = {}
        for lane, most in picks.items():
            of_number.setdefault(most, []).append((lane.account_id, lane.lane))
        found = [
            row
            for most, lanes in of_number.items()
            for row in read_rows(
                connection.execute(self._rows_sql.on(connection), {"lanes": rows_text(lanes), "most": most})
            )
        ]
        if not found:
            return []
        first = next_tokens(connection, len(found)) - len(found) + 1
        connection.execute(
            self._lease_sql.on(connection),
            {
                "rows": rows_text([key for key, *_ in found]),
                "first": first,
                "due": to_microseconds(lease_end),
            },
        )
        return [
            LaneClaim(key=key, account_id=account_id, token=first + place, expiries=expiries, lane=lane)
            for place, (key, account_id, expiries, lane) in enumerate(found)
        ]

    def ready_since(self, connection: Connection, lane: Lane, before: datetime, most: int) -> list[int]:
        """Keys of up to so many rows of a lane that have been ready since before then."""
        work = self.table.c
        ready = select(work.key).where(
            work.stage == 0,
            work.account_id == lane.account_id,
            work.lane == lane.lane,
            text("state = 0"),
            work.due <= before,
        )
        return list(connection.execute(ready.limit(most)).scalars())

    def drop_ready(self, connection: Connection, keys: Sequence[int], before: datetime) -> list[int]:
        """Removes those of the rows that have been ready since before then; answers their keys."""
        work = self.table.c
        gone = delete(self.table).where(work.key.in_(keys), work.state == READY, work.due <= before)
        return list(connection.execute(gone.returning(work.key)).scalars())

    def held(self, connection: Connection, claims: Sequence[Claim]) -> set[int]:
        """The tokens among these claims that still hold, and do until the end of the transaction."""
        asked = rows_text([(claim.key, claim.token) for claim in claims])
        return {token for (token,) in read_rows(connection.execute(self._held_sql.on(connection), {"rows": asked}))}

    def renew(self, connection: Connection, held: Sequence[tuple[int, int]], lease_end: datetime) -> set[int]:
        """As of any work table, in two statements."""
        rows = rows_text([(key, token, lease_end) for key, token in held])
        ours = {token for (token,) in read_rows(connection.execute(self._held_sql.on(connection), {"rows": rows}))}
        self._renew_sql.change(connection, {"rows": rows})
        return ours

    def finish_all(self, connection: Connection, claims: Sequence[Claim]) -> None:
        """Removes the rows of these claims, as far as their leases are ours."""
        if claims:
            asked = rows_text([(claim.key, claim.token) for claim in claims])
            self._finish_sql.change(connection, {"rows": asked})


# Without INDEXED BY the planner reads whole tables here, as it does in the claim of WorkTable.
_ACCOUNTS = """
WITH RECURSIVE found(account_id, place) AS (
  SELECT * FROM (SELECT min(account_id), 1 FROM {name} INDEXED BY {name}_ready WHERE state = 0 AND stage = 0 AND account_id > :after) AS first
  UNION ALL
  SELECT (SELECT min(w.account_id) FROM {name} w INDEXED BY {name}_ready WHERE w.state = 0 AND w.stage = 0 AND w.account_id > found.account_id), place + 1
  FROM found WHERE found.account_id IS NOT NULL AND place < :most
)
SELECT account_id FROM found WHERE account_id IS NOT NULL
"""
_LANES = """
WITH RECURSIVE asked(account_id, after_lane) AS (
  SELECT one[0]::bigint, one[1]::bigint FROM EACH(:asked) AS one
), found(account_id, lane, place) AS (
  SELECT asked.account_id,
    (SELECT min(w.lane) FROM {name} w INDEXED BY {name}_ready WHERE w.state = 0 AND w.stage = 0 AND w.account_id = asked.account_id AND w.lane > asked.after_lane), 1
  FROM asked
  UNION ALL
  SELECT found.account_id,
    (SELECT min(w.lane) FROM {name} w INDEXED BY {name}_ready WHERE w.state = 0 AND w.stage = 0 AND w.account_id = found.account_id AND w.lane > found.lane), place + 1
  FROM found WHERE found.lane IS NOT NULL AND place < :most
)
SELECT account_id, lane FROM found WHERE lane IS NOT NULL ORDER BY account_id, lane
"""
_ROWS = """
SELECT ROWS(w.key, w.account_id, w.expiries, w.lane) FROM EACH(:lanes) AS asked CROSS JOIN {name} w ON w.key IN (
  SELECT key FROM {name} INDEXED BY {name}_ready
  WHERE state = 0 AND stage = 0 AND account_id = asked[0]::bigint AND lane = asked[1]::bigint
  ORDER BY priority, key LIMIT :most)
"""
_ROWS_POSTGRESQL = """
WITH picked AS (
  SELECT w.* FROM EACH(:lanes) AS asked CROSS JOIN LATERAL (
    SELECT key, account_id, expiries, lane FROM {name} AS w
    WHERE state = 0 AND stage = 0 AND account_id = asked[0]::bigint AND lane = asked[1]::bigint
    ORDER BY priority, key LIMIT :most LOCKED(w, free)) AS w)
SELECT ROWS(key, account_id, expiries, lane) FROM picked
"""
_LEASE = """
UPDATE {name} SET state = 1, due = :due, token = :first + claimed[#] FROM EACH(:rows) AS claimed WHERE {name}.key = claimed[]::bigint
"""
_HELD = """
WITH held AS (
  SELECT w.token FROM EACH(:rows) AS ours CROSS JOIN {name} w
  WHERE w.key = ours[0]::bigint AND w.token = ours[1]::bigint AND w.state = 1 ORDER BY w.key LOCKED(w))
SELECT ROWS(token) FROM held
"""
_FINISH = """
DELETE FROM {name} WHERE key IN (
  SELECT w.key FROM EACH(:rows) AS ours CROSS JOIN {name} w
  WHERE w.key = ours[0]::bigint AND w.token = ours[1]::bigint AND w.state = 1)
"""
_RENEW = """
UPDATE {name} SET due = ours[2]::bigint FROM EACH(:rows) AS ours
WHERE {name}.key = ours[0]::bigint AND {name}.token = ours[1]::bigint AND {name}.state = 1
"""
_PLACE_ROWS = """
INSERT INTO {{name}} AS w (key, account_id, lane, stage, priority, state, due, token, expiries)
SELECT r[0]::bigint, r[1]::bigint, r[2]::bigint, 0, 0, r[3]::smallint, r[4]::bigint, 0, 0
FROM EACH(:rows) AS r WHERE true
ON CONFLICT (key) DO UPDATE SET lane = excluded.lane, {changed} WHERE w.state <> 1
"""
# What is ready stays ready since when it is.
_PLACE = _PLACE_ROWS.format(
    changed="due = CASE WHEN w.state = 0 AND excluded.state = 0 THEN w.due ELSE excluded.due END, state = excluded.state"
)
_PLACE_AT_MOST = _PLACE_ROWS.format(
    changed="due = CASE WHEN w.state = 2 AND w.due > excluded.due THEN excluded.due ELSE w.due END"
)
_HELD_LANES = """
SELECT w.account_id, w.lane, count(*) AS leases FROM EACH(:rows) AS ours CROSS JOIN {name} w
WHERE w.key = ours[0]::bigint AND w.token = ours[1]::bigint AND w.state = 1
GROUP BY w.account_id, w.lane
"""
_COUNT = """
SELECT lane, count(*) AS rows_of_lane FROM (
  SELECT lane FROM {name} INDEXED BY {name}_ready WHERE state = 0 AND stage = 0 AND account_id = :account_id
  UNION ALL SELECT lane FROM {name} INDEXED BY {name}_leased WHERE state = 1 AND stage = 0 AND account_id = :account_id
  UNION ALL SELECT lane FROM {name} INDEXED BY {name}_delayed WHERE state = 2 AND stage = 0 AND account_id = :account_id) AS found
GROUP BY lane
"""
