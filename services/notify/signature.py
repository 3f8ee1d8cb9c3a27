"""Signing as the Standard Webhooks specification says: HMAC-SHA256 over id, timestamp and the bytes that are sent."""

import base64
import hashlib
import hmac

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret(random: bytes) -> str:
    """A signing secret of the given 32 random bytes, in its written form."""
    return PREFIX + base64.b64encode(random).decode()


def sign(secret: str, notification_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header of a body. `timestamp` is in Unix seconds, the one in `webhook-timestamp`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{notification_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
