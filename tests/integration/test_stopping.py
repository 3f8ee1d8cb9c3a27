"""A process that listens stops in order, however early it is asked to."""

import asyncio
import os
import signal

from services.shared.rpc.serve import Listener, until_stopped
from tests.support.running import free_port


async def test_a_stop_that_comes_before_anybody_waits_for_it_is_heard() -> None:
    listener = Listener((), (), lambda *_: None)
    await listener.start([f"127.0.0.1:{free_port()}"])

    # With nobody to hear it, this would end the process of the tests.
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await until_stopped()
    await listener.drain(0)
