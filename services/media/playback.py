"""Playback links: who has one may listen to one recording for a short while, without a token (docs/playback.md)."""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from services.shared.identity import AccountId

PATH = "/v1/playback/"
_FACTS = struct.Struct(">BQQQ")
_VERSION = 1
_MAC_BYTES = 32
LINK_CHARACTERS = -(-(_FACTS.size + _MAC_BYTES) * 4 // 3)
"""Base64url without padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What a link gives: one recording of one account, until a moment in whole seconds."""

    account_id: AccountId
    recording_id: int
    expire_time: datetime


def sign(playback: Playback, key: bytes) -> str:
    """The link's last part: its facts and their HMAC-SHA256, as base64url."""
    expires = int(playback.expire_time.timestamp())
    facts = _FACTS.pack(_VERSION, playback.account_id, playback.recording_id, expires)
    return base64.urlsafe_b64encode(facts + _mac(facts, key)).rstrip(b"=").decode()


def verify(link: str, key: bytes, now: datetime) -> Playback | None:
    """What a link gives; None for one that we did not make, that was altered, or whose time is over."""
    if len(link) != LINK_CHARACTERS or not link.isascii():
        return None
    try:
        data = base64.b64decode(link + "=" * (-len(link) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    facts, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(facts, key)):
        return None
    version, account_id, recording_id, expires = _FACTS.unpack(facts)
    if version != _VERSION or now.timestamp() >= expires:
        return None
    return Playback(
        account_id=AccountId(account_id), recording_id=recording_id, expire_time=datetime.fromtimestamp(expires, UTC)
    )


def _mac(facts: bytes, key: bytes) -> bytes:
    return hmac.digest(key, facts, hashlib.sha256)
