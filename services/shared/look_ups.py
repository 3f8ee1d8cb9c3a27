"""Looking names up: in threads, for the C library waits, one for each name, and answers remembered for a moment.

A name whose servers are dead holds a thread for up to half a minute. No more than one of them does so for a name, and who finds none free is told so:
that says nothing about the host.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from services.shared.addresses import Address, look_up
from services.shared.errors import Trouble

AT_ONCE = 256
"""Threads, which do nothing but wait."""
PATIENCE_S = 5.0
"""So long for a thread to be free, and so long again for the answer."""
REMEMBERED_S = 5.0
MOST_REMEMBERED = 1024

Ask: TypeAlias = Callable[[str, int], Collection[Address]]


@dataclass(slots=True)
class LookUp:
    """One look-up that has begun. `answered_s` is set when it has brought addresses."""

    addresses: asyncio.Future[Collection[Address]]
    began_s: float
    answered_s: float | None = None


class LookUps:
    """Look-ups of hosts, each name once at a time. What they find is for the caller to judge, each time."""

    def __init__(
        self,
        ask: Ask = look_up,
        *,
        at_once: int = AT_ONCE,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._patience_s = patience_s
        self._clock = clock
        # Threads of its own: names that resolve slowly keep nothing else of the process waiting.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="look-up")
        self._room = asyncio.Semaphore(at_once)
        # The oldest first. The port does not matter to what is found.
        self._begun: dict[str, LookUp] = {}

    async def begin(self, host: str, port: int) -> LookUp:
        """The look-up of a host, already under way, just answered, or begun now. Raises Trouble when no thread is free in time."""
        known = self._known(host)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._patience_s):
                await self._room.acquire()
        except TimeoutError:
            raise Trouble("no thread was free to look a host up") from None
        known = self._known(host)
        if known is not None:
            # Begun by another one that waited.
            self._room.release()
            return known
        try:
            addresses = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, host, port)
        except RuntimeError as error:
            self._room.release()
            raise Trouble("no thread can be started to look a host up") from error
        begun = LookUp(addresses, self._clock())
        self._forget_oldest()
        self._begun.pop(host, None)
        self._begun[host] = begun
        addresses.add_done_callback(partial(self._ended, host, begun))
        return begun

    async def finish(self, begun: LookUp) -> frozenset[Address]:
        """What the look-up found. Raises OSError when the host has no address, or none in time, and what else the asking raised."""
        if not begun.addresses.done():
            # Not cancelled when we are: others may wait for the same.
            left_s = begun.began_s + self._patience_s - self._clock()
            await asyncio.wait({begun.addresses}, timeout=max(0.0, left_s))
        if not begun.addresses.done():
            raise OSError("the host's name was not looked up in time")
        return frozenset(begun.addresses.result())

    def _known(self, host: str) -> LookUp | None:
        begun = self._begun.get(host)
        if begun is None or begun.answered_s is None:
            return begun
        return begun if self._clock() - begun.answered_s <= REMEMBERED_S else None

    def _ended(self, host: str, begun: LookUp, addresses: asyncio.Future[Collection[Address]]) -> None:
        self._room.release()
        # Asked for its error also when nobody waits any more, so that it is not reported as forgotten.
        if addresses.cancelled() or addresses.exception() is not None:
            del self._begun[host]
        else:
            begun.answered_s = self._clock()

    def _forget_oldest(self) -> None:
        if len(self._begun) >= MOST_REMEMBERED:
            oldest = next((host for host, begun in self._begun.items() if begun.answered_s is not None), None)
            if oldest is not None:
                del self._begun[oldest]
