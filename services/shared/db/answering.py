"""Whether a database answers, for health checks."""

import asyncio

from sqlalchemy import Connection, text

from services.shared.db.database import Database
from services.shared.errors import Trouble

WITHIN_S = 3.0
_ONE = text("SELECT 1")


async def answers(db: Database) -> bool:
    """True when the database answers the simplest question within three seconds."""
    try:
        async with asyncio.timeout(WITHIN_S):
            return await db.read(_ask)
    except (Trouble, TimeoutError):
        return False


def _ask(connection: Connection) -> bool:
    return bool(connection.execute(_ONE).scalar_one())
