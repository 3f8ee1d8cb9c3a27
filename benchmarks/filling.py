"""Databases of intake that hold as many calls as wanted, written by the database itself: what uploads would have left there, in seconds instead of an hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from services.shared.db.dialects import is_postgresql
from services.shared.db.tables import to_microseconds

SPACING = timedelta(seconds=2.6)
"""Between the uploads of two calls: a million in a month."""
TAGS = 20
PROCESS_STAGE = 1

_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
_CALLS = """
INSERT INTO calls (call_session_id, account_id, ext_id, direction, calling_phone_number, called_phone_number, start_time, finish_time, is_lost, is_transfer, wait_ms, talk_ms,
  comment, callback_url, callback_events, status, error_message, uploads, event_seq, fingerprint, ext_request_id, upload_time, status_time, new_time)
{numbers} SELECT n, 1 + n % {accounts}, 'stored-' || CAST(n AS text), CASE WHEN n % 4 = 0 THEN 'out' ELSE 'in' END, '+79262' || CAST(100000 + n % 900000 AS text), '+74955140576',
  {last} - ({count} - n) * {spacing} - 120000000, {last} - ({count} - n) * {spacing} - 60000000, n % 10 = 0, false, 4500, 40000,
  '', {url}, {events}, {status}, '', 1, 1, {fingerprint}, '',
  {last} - ({count} - n) * {spacing}, {last} - ({count} - n) * {spacing}, {last} - ({count} - n) * {spacing} FROM numbers
"""
_RECORDINGS = """
INSERT INTO recordings (call_session_id, account_id, position, format, url, status, error_message, fetch_failures, source_sha256, source_sha512, audio_key, audio_size_bytes)
{numbers} SELECT n, 1 + n % {accounts}, 0, 'mp3', 'https://records.example.com/' || CAST(n AS text) || '.mp3', 'accepted', '', 0, '', '', 'recordings/' || CAST(n AS text) || '.mp3', 250000 FROM numbers
"""
_TAGS = """
INSERT INTO tags (tag_id, account_id, name, is_system) {numbers} SELECT n, 1, 'tag ' || CAST(n - 1 AS text), false FROM numbers
"""
_CALL_TAGS = "INSERT INTO call_tags (call_session_id, position, tag_id) {numbers} SELECT n, 0, 1 + n % 20 FROM numbers"
_CHANGES = """
INSERT INTO call_changes (account_id, seq, call_session_id, status, change_time) {numbers} SELECT 1, n, n, 'processed', {last} FROM numbers
"""
_CHANGE_SEQS = """
INSERT INTO change_seqs (account_id, last_seq, forgotten_seq) {numbers} SELECT n, CASE WHEN {accounts} = 1 THEN {calls} ELSE 0 END, 0 FROM numbers
"""
_RARE = (
    "INSERT INTO tags (tag_id, account_id, name, is_system) SELECT {rare_tag}, 1, 'rare', false",
    "INSERT INTO employees (employee_id, account_id, full_name, name_key) SELECT 1, 1, 'Rare Person', 'rare person'",
    "INSERT INTO call_tags (call_session_id, position, tag_id) {numbers} SELECT n, 1, {rare_tag} FROM numbers WHERE n % {step} = 0",
    "UPDATE recordings SET employee_id = 1, status = 'refused', error_code = 'decode_error' WHERE call_session_id % {step} = 0",
)
_WORK = """
INSERT INTO call_work (key, account_id, stage, priority, state, due, token, expiries) {numbers} SELECT n, 1 + n % {accounts}, {stage}, 0, 0, {last}, 0, 0 FROM numbers
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
    for statement in stored_statements(filling, is_shared=is_postgresql(connection)):
        connection.exec_driver_sql(statement)


def rare_statements(filling: Filling, matches: int, *, is_shared: bool) -> list[str]:
    """What gives so many of stored calls, all over them, the tag "rare" and a recording of Rare Person's that was refused as decode_error."""
    values = _values(filling, is_shared=is_shared) | {"rare_tag": TAGS + 1, "step": filling.calls // matches}
    statements = [_filled(template, values) for template in _RARE]
    return statements + [_numbered_on("tags", "tag_id"), _numbered_on("employees", "employee_id")] * is_shared


def fill_waiting(connection: Connection, filling: Filling) -> None:
    """All wait to be ended: their recording has its verdict, and a receiver wants to be told."""
    is_shared = is_postgresql(connection)
    values = _values(filling, is_shared=is_shared)
    values |= {"status": "'in_process'", "url": "'https://crm.example.com/hook'", "events": "'processed'"}
    for template in (_CALLS, _RECORDINGS, _WORK):
        connection.exec_driver_sql(_filled(template, values))
    connection.exec_driver_sql(_filled(_CHANGE_SEQS, values, count=filling.accounts))


def stored_statements(filling: Filling, *, is_shared: bool) -> list[str]:
    """What `fill_stored` runs, for PostgreSQL with `is_shared`."""
    values = _values(filling, is_shared=is_shared) | {"status": "'processed'", "url": "NULL", "events": "''"}
    statements = [
        _filled(_TAGS, values, count=TAGS),
        *(_filled(template, values) for template in (_CALLS, _RECORDINGS, _CALL_TAGS, _CHANGES)),
        _filled(_CHANGE_SEQS, values, count=filling.accounts),
    ]
    if is_shared:
        # The next numbers are those after these.
        statements += [_numbered_on("calls", "call_session_id"), _numbered_on("tags", "tag_id")]
    return statements


def _numbered_on(table: str, key: str) -> str:
    return f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), (SELECT max({key}) FROM {table}))"  # noqa: S608 - names of ours


def _values(filling: Filling, *, is_shared: bool) -> dict[str, object]:
    return {
        "count": filling.calls,
        "calls": filling.calls,
        "accounts": filling.accounts,
        "last": f"CAST({to_microseconds(filling.last)} AS bigint)",
        "spacing": f"CAST({SPACING // timedelta(microseconds=1)} AS bigint)",
        "fingerprint": "decode('00', 'hex')" if is_shared else "x'00'",
        "stage": PROCESS_STAGE,
    }


def _filled(template: str, values: dict[str, object], *, count: int | None = None) -> str:
    values = values if count is None else {**values, "count": count}
    return template.format(numbers=_NUMBERS.format(**values), **values)


def whole_second(moment: datetime) -> datetime:
    """The second that a moment lies in."""
    return moment.astimezone(UTC).replace(microsecond=0)
