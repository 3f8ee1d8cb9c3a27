"""What intake's database needs after it was restored: numbers that were given out after the backup are known to others, and must not come again."""

from sqlalchemy import Connection, text

from services.shared.db.dialects import is_postgresql

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
