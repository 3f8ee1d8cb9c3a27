"""Durable work in lanes: rows of one account that share a bound, such as all for one host. Whoever claims sees which lanes have ready work, and chooses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from services.shared.db.work_table import DELAYED, LEASED, READY, Claim, WorkTable

LANES_OF_ACCOUNT = 64
"""Lanes of one account that one look finds: the cost stays flat however many an account has."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of an account."""

    account_id: int
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
        self._accounts_sql = text(_ACCOUNTS.format(name=work.name))
        self._lanes_sql = text(_LANES.format(name=work.name))
        self._rows_sql = text(_ROWS.format(name=work.name))

    def place(self, connection: Connection, rows: Sequence[LaneRow], now: datetime, *, wakes: bool) -> None:
        """Puts rows into their lanes, ready or put off. One that is there goes to its lane, and is made ready if it `wakes`; one that is leased stays as it is."""
        if not rows:
            return
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(self._work)
        fresh, there = statement.excluded, self._work.c
        changed: dict[str, ColumnElement[object]] = {"lane": fresh.lane}
        if wakes:
            is_woken = and_(there.state == DELAYED, fresh.state == READY)
            changed |= {
                "state": case((is_woken, READY), else_=there.state),
                "due": case((is_woken, fresh.due), else_=there.due),
            }
        placed = statement.on_conflict_do_update(index_elements=[there.key], set_=changed, where=there.state != LEASED)
        connection.execute(
            placed,
            [
                {
                    **self._ready(row.key, row.account_id, 0, row.until or now),
                    "lane": row.lane,
                    "state": READY if row.until is None else DELAYED,
                }
                for row in rows
            ],
        )

    def ready_accounts(self, connection: Connection, after_account: int, most: int) -> list[int]:
        """Accounts with ready work that follow the given one, in order, up to `most`."""
        found = connection.execute(self._accounts_sql, {"after": after_account, "most": most})
        return [row.account_id for row in found]

    def ready_lanes(self, connection: Connection, after_lane: Mapping[int, int]) -> list[Lane]:
        """Lanes with ready work of each of these accounts, in order, up to 64 that follow the lane given for the account."""
        asked = json.dumps(list(after_lane.items()))
        found = connection.execute(self._lanes_sql, {"asked": asked, "most": LANES_OF_ACCOUNT})
        return [Lane(row.account_id, row.lane) for row in found]

    def busy_lanes(self, connection: Connection) -> dict[Lane, int]:
        """How many rows of each lane are leased."""
        work = self._work.c
        counted = (
            select(work.account_id, work.lane, func.count().label("leases"))
            .where(work.state == LEASED, work.stage == 0)
            .group_by(work.account_id, work.lane)
        )
        return {Lane(row.account_id, row.lane): row.leases for row in connection.execute(counted)}

    def claim_in_lanes(self, connection: Connection, picks: Mapping[Lane, int], lease_end: datetime) -> list[Claim]:
        """Leases up to so many ready rows of each lane, lowest keys first."""
        rows = [
            row
            for lane, most in picks.items()
            for row in connection.execute(
                self._rows_sql, {"account_id": lane.account_id, "lane": lane.lane, "most": most}
            )
        ]
        return self.lease(connection, rows, lease_end)


# Without INDEXED BY the planner reads whole tables here, as it does in the claim of WorkTable.
_ACCOUNTS = """
WITH RECURSIVE found(account_id, place) AS (
  SELECT * FROM (SELECT min(account_id), 1 FROM {name} INDEXED BY {name}_ready WHERE state = 0 AND stage = 0 AND account_id > :after)
  UNION ALL
  SELECT (SELECT min(w.account_id) FROM {name} w INDEXED BY {name}_ready WHERE w.state = 0 AND w.stage = 0 AND w.account_id > found.account_id), place + 1
  FROM found WHERE found.account_id IS NOT NULL AND place < :most
)
SELECT account_id FROM found WHERE account_id IS NOT NULL
"""
_LANES = """
WITH RECURSIVE asked(account_id, after_lane) AS (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:asked)
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
SELECT key, account_id, expiries FROM {name} INDEXED BY {name}_ready
WHERE state = 0 AND stage = 0 AND account_id = :account_id AND lane = :lane ORDER BY priority, key LIMIT :most
"""
