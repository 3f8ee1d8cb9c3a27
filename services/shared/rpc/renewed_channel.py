"""A channel that shows the newest certificate: gRPC's own keep the one that they were made with, until it has run out and nobody lets them in again."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from services.shared.rpc.tls import Certificate

LAST_CALLS_S = 300.0
"""What calls of before a renewal have to end; longer than any of ours may take."""


class RenewedChannel(aio.Channel):
    """Makes a new channel at the first call after a renewal. Calls under way stay with the one before, which is closed after them."""

    def __init__(self, certificate: Callable[[], Certificate], connect: Callable[[Certificate], aio.Channel]) -> None:
        """`certificate` answers the same object until it was renewed."""
        self._certificate = certificate
        self._connect = connect
        self._shown = certificate()
        self._channel = connect(self._shown)
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(self, *method: Any, **how: Any) -> Any:
        """As of any channel."""
        return lambda *call, **options: self._newest().unary_unary(*method, **how)(*call, **options)

    def unary_stream(self, *method: Any, **how: Any) -> Any:
        """As of any channel."""
        return lambda *call, **options: self._newest().unary_stream(*method, **how)(*call, **options)

    def stream_unary(self, *method: Any, **how: Any) -> Any:
        """As of any channel."""
        return lambda *call, **options: self._newest().stream_unary(*method, **how)(*call, **options)

    def stream_stream(self, *method: Any, **how: Any) -> Any:
        """As of any channel."""
        return lambda *call, **options: self._newest().stream_stream(*method, **how)(*call, **options)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Of the newest channel."""
        return self._newest().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the newest channel."""
        await self._newest().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when the newest channel has connected."""
        await self._newest().channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Hangs up."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close(grace)

    async def __aenter__(self) -> "RenewedChannel":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def _newest(self) -> aio.Channel:
        now = self._certificate()
        if now is not self._shown:
            before, self._shown, self._channel = self._channel, now, self._connect(now)
            closing = asyncio.create_task(before.close(LAST_CALLS_S))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return self._channel
