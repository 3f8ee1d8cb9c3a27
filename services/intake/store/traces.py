"""The traces that stored calls belong to."""

from collections.abc import Mapping

from sqlalchemy import Connection

from services.shared.db.dialects import Sql, rows_text


def keep_traces(connection: Connection, traceparents: Mapping[int, str]) -> None:
    """Notes the trace of calls that were just stored, and of the notifications that this announced."""
    rows = {"rows": rows_text(list(traceparents.items()))}
    _OF_CALLS.change(connection, rows)
    _OF_OUTBOX.change(connection, rows)


_OF_CALLS = Sql("""
UPDATE calls SET traceparent = r[1]::text FROM EACH(:rows) AS r WHERE calls.call_session_id = r[0]::bigint
""")
# Those of an earlier upload that still wait belong to its trace.
_OF_OUTBOX = Sql("""
UPDATE outbox SET traceparent = r[1]::text FROM EACH(:rows) AS r
WHERE outbox.call_session_id = r[0]::bigint AND outbox.traceparent IS NULL
""")
