"""One-time links into the client area: how long it is remembered that one was used (docs/client-area.md)."""

from datetime import datetime, timedelta

from services.shared.errors import Mnemonic, Refusal

NEAR = timedelta(hours=1)
"""How far a link's end may lie from the present: many times its life, for the clocks of machines that make links may be wrong."""
KEEP = NEAR + timedelta(minutes=1)
"""How long a used link is remembered after its end. A minute longer than anybody asks for: replicas agree about the time to within less."""
MOST_OF_ACCOUNT = 1_000
"""Used links of one account that are remembered, about an hour's: who makes them without end fills no disk."""
_COME_AGAIN_S = 3600.0


def is_near(expire_time: datetime, now: datetime) -> bool:
    """Whether it would still be known that a link with this end was used, and will not be known for long."""
    return abs(expire_time - now) < NEAR


def check_room(remembered: int) -> None:
    """Raises Refusal limit_exceeded when an account has more used links than are remembered."""
    if remembered > MOST_OF_ACCOUNT:
        raise Refusal(
            Mnemonic.LIMIT_EXCEEDED,
            why=f"the account used {MOST_OF_ACCOUNT:,} one-time links within an hour: sign in by an access token",
            params={"limit_type": "one-time links", "limit_max_value": str(MOST_OF_ACCOUNT)},
            retry_after_s=_COME_AGAIN_S,
        )
