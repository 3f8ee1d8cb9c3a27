"""Waiting for something that may not come."""

import asyncio


async def set_within(event: asyncio.Event, longest_s: float) -> bool:
    """Returns when the event is set, or when so many seconds have gone. Answers whether it is set."""
    try:
        async with asyncio.timeout(longest_s):
            return await event.wait()
    except TimeoutError:
        return False
