"""Signing as the Standard Webhooks specification says, over id, timestamp and the bytes that are sent: HMAC-SHA256 (`v1`) or Ed25519 (`v1a`, RFC 8032)."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_PREFIX = "whsec_"
PRIVATE_KEY_PREFIX = "whsk_"
PUBLIC_KEY_PREFIX = "whpk_"
SECRET_BYTES = 32

Signer: TypeAlias = Callable[[bytes], str]
"""Makes one signature of what is signed, with its version before it."""


class SignatureScheme(StrEnum):
    """Proto `SignatureScheme`."""

    HMAC_SHA256 = "hmac_sha256"
    ED25519 = "ed25519"


def new_secret(scheme: SignatureScheme, random: bytes) -> str:
    """A signing secret of the given 32 random bytes, in its written form: what both sides know, or the private key that stays here."""
    prefix = PRIVATE_KEY_PREFIX if scheme is SignatureScheme.ED25519 else SECRET_PREFIX
    return prefix + base64.b64encode(random).decode()


def public_key(secret: str) -> str:
    """What receivers verify with, in its written form; empty for a secret of HMAC, which they know themselves."""
    if not secret.startswith(PRIVATE_KEY_PREFIX):
        return ""
    return PUBLIC_KEY_PREFIX + base64.b64encode(_private_key(secret).public_key().public_bytes_raw()).decode()


def signer(secret: str) -> Signer:
    """What signs with a secret in its written form."""
    if secret.startswith(PRIVATE_KEY_PREFIX):
        private_key = _private_key(secret)
        return lambda signed: "v1a," + base64.b64encode(private_key.sign(signed)).decode()
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return lambda signed: "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signature_header(signers: Iterable[Signer], notification_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a body: one signature of each, separated by spaces. `timestamp` is in Unix seconds, the one in `webhook-timestamp`."""
    signed = f"{notification_id}.{timestamp}.".encode() + body
    return " ".join(sign(signed) for sign in signers)


def _private_key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(PRIVATE_KEY_PREFIX)))
