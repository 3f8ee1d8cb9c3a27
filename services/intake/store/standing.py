"""What is stored for whom."""

from sqlalchemy import Connection, text

SLICE = 10_000
"""Recordings that one look counts: some 20 ms."""


def stored_bytes(connection: Connection, after: int, most: int) -> tuple[int | None, dict[int, int]]:
    """Bytes of the objects of up to so many recordings after that one, by account, an object that several recordings of a call share once; and the last of these recordings, None when there is none."""
    last = connection.execute(_LAST, {"after": after, "most": most}).scalar()
    if last is None:
        return None, {}
    found = connection.execute(_SIZES, {"after": after, "last": last})
    return last, {row.account_id: int(row.size_bytes) for row in found}


_LAST = text("""
SELECT max(recording_id) FROM (
  SELECT recording_id FROM recordings WHERE recording_id > :after AND (source_key IS NOT NULL OR audio_key IS NOT NULL)
  ORDER BY recording_id LIMIT :most) AS slice
""")
# UNION: each object once.
_SIZES = text("""
SELECT account_id, sum(size_bytes) AS size_bytes FROM (
  SELECT account_id, source_key AS object_key, source_size_bytes AS size_bytes FROM recordings
  WHERE recording_id > :after AND recording_id <= :last AND source_key IS NOT NULL
  UNION SELECT account_id, audio_key, audio_size_bytes FROM recordings
  WHERE recording_id > :after AND recording_id <= :last AND audio_key IS NOT NULL) AS objects
GROUP BY account_id
""")
