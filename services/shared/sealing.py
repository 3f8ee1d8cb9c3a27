"""Secrets at rest: AES-256-GCM, with the id of the key in each value so that keys can be changed (NIST SP 800-38D)."""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.shared.errors import CannotRun

KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID_CHARACTERS = 8


class CannotUnseal(CannotRun):
    """The value was sealed with another key, or it is damaged."""


class Sealer:
    """Seals and unseals small texts with one key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError unless the key has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a secret key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"calldock key id" + key).hexdigest()[:_KEY_ID_CHARACTERS]

    def seal(self, text: str, purpose: str) -> str:
        """The sealed text. It opens only with the same `purpose`, so that one cannot be put in another's place."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), purpose.encode())
        return f"{self._key_id}:{base64.b64encode(nonce + sealed).decode()}"

    def unseal(self, value: str, purpose: str) -> str:
        """The text. Raises CannotUnseal."""
        key_id, _, data = value.partition(":")
        if key_id != self._key_id:
            raise CannotUnseal(
                f"secrets are sealed with key {key_id}, CALLDOCK_SECRET_KEY is key {self._key_id}: put the right one back"
            )
        raw = base64.b64decode(data)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode()).decode()
        except InvalidTag as error:
            raise CannotUnseal("the value is damaged, or of another purpose") from error


def read_key(text: str, setting: str = "CALLDOCK_SECRET_KEY") -> bytes:
    """A key from its written form, base64 of 32 bytes. Raises ValueError, naming the setting, for anything else."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"{setting} is base64 of 32 bytes: make one with `openssl rand -base64 32`")
    return key


def derived_key(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose. Whoever has it learns nothing of `key`, nor of the keys of other purposes (HMAC-SHA256 as in RFC 5869, one block)."""
    return hmac.digest(key, purpose.encode() + b"\x01", hashlib.sha256)
