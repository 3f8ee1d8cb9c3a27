"""The claim of a work table, in the words of each database."""

from collections.abc import Mapping

from sqlalchemy import TextClause, text


def claim_sql(name: str) -> Mapping[str, TextClause]:
    """What finds up to `most` ready rows of a `stage` in the table of this name, in turns over a `ring` of accounts that follow `after`, by the database's name.

    SQLite answers (key, account_id, expiries) in their order. PostgreSQL leases them until `due` as well, a round trip instead of three, and answers (key, account_id, token, expiries); tokens count up in
    their order.
    """
    return {"sqlite": text(_SQLITE.format(name=name)), "postgresql": text(_POSTGRESQL.format(name=name))}


# A ring of accounts with ready work, from the one after :after on and round; of each the first rows; dealt out in turns, an account that already has
# leases coming later. Without INDEXED BY the planner reads whole tables here (4-11 ms instead of 0.3 at 100,000 waiting rows).
_SQLITE = """
WITH RECURSIVE ahead(account_id, place) AS (
  SELECT * FROM (SELECT min(account_id), 1 FROM {name} INDEXED BY {name}_ready WHERE state = 0 AND stage = :stage AND account_id > :after)
  UNION ALL
  SELECT (SELECT min(w.account_id) FROM {name} w INDEXED BY {name}_ready WHERE w.state = 0 AND w.stage = :stage AND w.account_id > ahead.account_id), place + 1
  FROM ahead WHERE ahead.account_id IS NOT NULL AND place < :ring
), behind(account_id, place) AS (
  SELECT * FROM (SELECT min(account_id), 1 FROM {name} INDEXED BY {name}_ready WHERE state = 0 AND stage = :stage AND account_id <= :after)
  UNION ALL
  SELECT (SELECT min(w.account_id) FROM {name} w INDEXED BY {name}_ready
          WHERE w.state = 0 AND w.stage = :stage AND w.account_id > behind.account_id AND w.account_id <= :after), place + 1
  FROM behind WHERE behind.account_id IS NOT NULL AND place < :ring
), ring AS (
  SELECT account_id, row_number() OVER (ORDER BY lap, place) AS seat FROM (
    SELECT account_id, 0 AS lap, place FROM ahead WHERE account_id IS NOT NULL
    UNION ALL SELECT account_id, 1, place FROM behind WHERE account_id IS NOT NULL
    ORDER BY 2, 3 LIMIT :ring)
), busy AS (
  SELECT account_id, count(*) AS leases FROM {name} INDEXED BY {name}_leased WHERE state = 1 AND stage = :stage GROUP BY account_id
), candidate AS (
  SELECT w.key, w.account_id, w.expiries, w.priority, ring.seat,
         coalesce(busy.leases, 0) + row_number() OVER (PARTITION BY w.account_id ORDER BY w.priority, w.key) AS turn
  FROM ring CROSS JOIN {name} w ON w.key IN (
    SELECT key FROM {name} INDEXED BY {name}_ready
    WHERE state = 0 AND stage = :stage AND account_id = ring.account_id ORDER BY priority, key LIMIT :most)
  LEFT JOIN busy ON busy.account_id = w.account_id
)
SELECT key, account_id, expiries FROM candidate ORDER BY turn, seat, priority, key LIMIT :most
"""

# The same for PostgreSQL. What another claim has locked is passed over, so that two never wait for each other.
_POSTGRESQL = """
WITH RECURSIVE ahead(account_id, place) AS (
  (SELECT account_id, 1 FROM {name} WHERE state = 0 AND stage = :stage AND account_id > :after ORDER BY account_id LIMIT 1)
  UNION ALL
  SELECT next.account_id, ahead.place + 1 FROM ahead CROSS JOIN LATERAL (
    SELECT w.account_id FROM {name} w WHERE w.state = 0 AND w.stage = :stage AND w.account_id > ahead.account_id ORDER BY w.account_id LIMIT 1) next
  WHERE ahead.place < :ring
), behind(account_id, place) AS (
  (SELECT account_id, 1 FROM {name} WHERE state = 0 AND stage = :stage AND account_id <= :after ORDER BY account_id LIMIT 1)
  UNION ALL
  SELECT next.account_id, behind.place + 1 FROM behind CROSS JOIN LATERAL (
    SELECT w.account_id FROM {name} w WHERE w.state = 0 AND w.stage = :stage AND w.account_id > behind.account_id AND w.account_id <= :after
    ORDER BY w.account_id LIMIT 1) next
  WHERE behind.place < :ring
), ring AS (
  SELECT account_id, row_number() OVER (ORDER BY lap, place) AS seat FROM (
    SELECT account_id, 0 AS lap, place FROM ahead UNION ALL SELECT account_id, 1, place FROM behind
    ORDER BY lap, place LIMIT :ring) AS found
), busy AS MATERIALIZED (
  SELECT account_id, count(*) AS leases FROM {name} WHERE state = 1 AND stage = :stage GROUP BY account_id
), candidate AS (
  SELECT w.key, w.priority, ring.seat,
         coalesce(busy.leases, 0) + row_number() OVER (PARTITION BY ring.account_id ORDER BY w.priority, w.key) AS turn
  FROM ring LEFT JOIN busy ON busy.account_id = ring.account_id CROSS JOIN LATERAL (
    SELECT key, priority FROM {name} WHERE state = 0 AND stage = :stage AND account_id = ring.account_id ORDER BY priority, key LIMIT 2 * :most) w
  ORDER BY turn, seat LIMIT 2 * :most
), picked AS MATERIALIZED (
  SELECT w.key FROM candidate JOIN {name} w ON w.key = candidate.key WHERE w.state = 0
  ORDER BY candidate.turn, candidate.seat, candidate.priority, candidate.key LIMIT :most FOR UPDATE OF w SKIP LOCKED
)
UPDATE {name} w SET state = 1, due = :due, token = (SELECT nextval('work_tokens')) + array_position(ARRAY(SELECT key FROM picked), w.key)
WHERE w.key = ANY (ARRAY(SELECT key FROM picked)) RETURNING w.key, w.account_id, w.token, w.expiries
"""
