"""Databases of intake that hold as many calls as wanted, written by the database itself: what uploads would have left there, in seconds instead of an hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from services.shared.db.dialects import is_postgresql
from services.shared.db.tables import to_microseconds

SPACING = timedelta(seconds=2.6)
"""Between the uploads of two calls: a million in a month."""
TAGS = 20
PROCESS_STAGE = 1

_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
_CALLS = """
INSERT INTO calls (call_session_id, account_id, ext_id, direction, calling_phone_number, called_phone_number, start_time, finish_time, is_lost, is_transfer, wait_ms, talk_ms,
  comment, callback_url, callback_events, status, error_message, uploads, event_seq, fingerprint, ext_request_id, upload_time, status_time, new_time)
{numbers} SELECT n, 1 + n % :accounts, 'stored-' || CAST(n AS text), CASE WHEN n % 4 = 0 THEN 'out' ELSE 'in' END, '+79262' || CAST(100000 + n % 900000 AS text), '+74955140576',
  :last - (:count - n) * :spacing - 120000000, :last - (:count - n) * :spacing - 60000000, n % 10 = 0, false, 4500, 40000,
  '', CASE WHEN :url = '' THEN NULL ELSE :url END, CASE WHEN :url = '' THEN '' ELSE 'processed' END, :status, '', 1, 1, :fingerprint, '',
  :last - (:count - n) * :spacing, :last - (:count - n) * :spacing, :last - (:count - n) * :spacing FROM numbers
"""
_RECORDINGS = """
INSERT INTO recordings (call_session_id, account_id, position, format, url, status, error_message, fetch_failures, source_sha256, source_sha512, audio_key, audio_size_bytes)
{numbers} SELECT n, 1 + n % :accounts, 0, 'mp3', 'https://records.example.com/' || CAST(n AS text) || '.mp3', 'accepted', '', 0, '', '', 'recordings/' || CAST(n AS text) || '.mp3', 250000 FROM numbers
"""
_TAGS = """
INSERT INTO tags (tag_id, account_id, name, is_system) {numbers} SELECT n, 1, 'tag ' || CAST(n - 1 AS text), false FROM numbers
"""
_CALL_TAGS = "INSERT INTO call_tags (call_session_id, position, tag_id) {numbers} SELECT n, 0, 1 + n % 20 FROM numbers"
_CHANGES = """
INSERT INTO call_changes (account_id, seq, call_session_id, status, change_time) {numbers} SELECT 1, n, n, 'processed', :last FROM numbers
"""
_CHANGE_SEQS = """
INSERT INTO change_seqs (account_id, last_seq, forgotten_seq) {numbers} SELECT n, CASE WHEN :accounts = 1 THEN :calls ELSE 0 END, 0 FROM numbers
"""
_WORK = """
INSERT INTO call_work (key, account_id, stage, priority, state, due, token, expiries) {numbers} SELECT n, 1 + n % :accounts, :stage, 0, 0, :last, 0, 0 FROM numbers
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Calls with a recording and a tag each, over so many accounts in turn. The last was uploaded at `last`, the others one before the other."""

    calls: int
    accounts: int = 1
    last: datetime

    def uploaded(self, place: int) -> datetime:
        """When the call at a place was uploaded; 1 is the first."""
        return self.last - (self.calls - place) * SPACING


def fill_stored(connection: Connection, filling: Filling) -> None:
    """All have ended long ago, as calls of account 1 that were told of every change and have nothing waiting."""
    values = _values(filling)
    _run(connection, _TAGS, {**values, "count": TAGS})
    _run(connection, _CALLS, {**values, "status": "processed", "url": ""})
    for statement in (_RECORDINGS, _CALL_TAGS, _CHANGES):
        _run(connection, statement, values)
    _run(connection, _CHANGE_SEQS, {**values, "count": filling.accounts})
    _number_on(connection, filling)


def fill_waiting(connection: Connection, filling: Filling) -> None:
    """All wait to be ended: their recording has its verdict, and a receiver wants to be told."""
    values = _values(filling)
    _run(connection, _CALLS, {**values, "status": "in_process", "url": "https://crm.example.com/hook"})
    _run(connection, _RECORDINGS, values)
    _run(connection, _WORK, values)
    _run(connection, _CHANGE_SEQS, {**values, "count": filling.accounts})
    _number_on(connection, filling)


def _values(filling: Filling) -> dict[str, object]:
    return {
        "count": filling.calls,
        "calls": filling.calls,
        "accounts": filling.accounts,
        "last": to_microseconds(filling.last),
        "spacing": SPACING // timedelta(microseconds=1),
        "fingerprint": bytes(32),
        "stage": PROCESS_STAGE,
    }


def _run(connection: Connection, template: str, values: dict[str, object]) -> None:
    statement = template.format(numbers=_NUMBERS)
    if is_postgresql(connection):
        # A parameter between numbers has no type of its own there.
        for name, value in values.items():
            kind = {int: "bigint", str: "text", bytes: "bytea"}[type(value)]
            statement = (
                statement.replace(f":{name} ", f"CAST(:{name} AS {kind}) ")
                .replace(f":{name})", f"CAST(:{name} AS {kind}))")
                .replace(f":{name},", f"CAST(:{name} AS {kind}),")
            )
    connection.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})


def _number_on(connection: Connection, filling: Filling) -> None:
    """The next numbers are those after these."""
    if not is_postgresql(connection):
        return
    for table, column in (("calls", "call_session_id"), ("tags", "tag_id")):
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), coalesce((SELECT max({column}) FROM {table}), 1))"  # noqa: S608 - names of ours
            )
        )


def whole_second(moment: datetime) -> datetime:
    """The second that a moment lies in."""
    return moment.astimezone(UTC).replace(microsecond=0)
