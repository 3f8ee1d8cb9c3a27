"""What intake's database needs after it was restored: numbers that were given out after the backup are known to others, and must not come again; objects that were written after it are nobody's."""

import re
from collections.abc import Sequence

from sqlalchemy import Connection, text

from services.shared.db.dialects import Sql, is_postgresql, rows_text

ROOM = 1_000_000
"""So many numbers are passed over: more than one installation gives out between two backups."""


def pass_over_numbers(connection: Connection) -> None:
    """Goes on far above all numbers of calls, accounts, recordings and leases that the backup knows: notify's may be younger, receivers and clients have noted them.

    Whoever watches calls is told to list them anew: some of the changes that they have seen never happened.
    """
    if is_postgresql(connection):
        connection.execute(_SEQUENCES, {"room": ROOM})
    else:
        numbered = connection.execute(_NUMBERED).scalars().all()
        for table in numbered:
            connection.execute(_MAKE_COUNTER, {"name": table})
        connection.execute(_COUNTERS, {"room": ROOM})
        connection.execute(_TOKENS, {"room": ROOM})
    connection.execute(_CHANGES, {"room": ROOM})
    connection.execute(_FIRST_CHANGES, {"room": ROOM})
    connection.execute(text("DELETE FROM call_changes"))


def orphans(connection: Connection, keys: Sequence[str]) -> list[str]:
    """Those of the keys of objects that are calldock's by their form, and that no recording and no file that was handed over has: written after the backup, or of calls that were never stored."""
    ours = {key: int(found[1]) for key in keys if (found := _OF_A_RECORDING.fullmatch(key))}
    handed_over = [key for key in keys if _HANDED_OVER.fullmatch(key)]
    named = {key for row in _NAMED.rows(connection, {"ids": rows_text(list(ours.values()))}) for key in row}
    named |= {key for (key,) in _WAITING.rows(connection, {"keys": rows_text(handed_over)})}
    return [key for key in (*ours, *handed_over) if key not in named]


_OF_A_RECORDING = re.compile(r"\d{1,18}/\d{1,18}/(\d{1,18})/\d{1,19}\.(?:wav|mp3)")
_HANDED_OVER = re.compile(r"\d{1,18}/uploads/[^/]+\.(?:wav|mp3)")
_NAMED = Sql(
    "SELECT r.source_key, r.audio_key FROM recordings AS r WHERE r.recording_id IN (SELECT i[]::bigint FROM EACH(:ids) AS i)"
)
_WAITING = Sql("SELECT f.key FROM handed_over_files AS f WHERE f.key IN (SELECT k[]::text FROM EACH(:keys) AS k)")
_SEQUENCES = text(
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, start_value) + :room * increment_by)"
    " FROM pg_sequences WHERE schemaname = current_schema()"
)
_NUMBERED = text("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
_MAKE_COUNTER = text(
    "INSERT INTO sqlite_sequence (name, seq) SELECT :name, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)"
)
_COUNTERS = text("UPDATE sqlite_sequence SET seq = seq + :room")
_TOKENS = text("UPDATE work_token SET last_token = last_token + :room")
_CHANGES = text("UPDATE change_seqs SET last_seq = last_seq + :room, forgotten_seq = last_seq + :room")
_FIRST_CHANGES = text(
    "INSERT INTO change_seqs (account_id, last_seq, forgotten_seq) SELECT account_id, :room, :room FROM accounts"
    " WHERE account_id NOT IN (SELECT account_id FROM change_seqs)"
)
