"""How fast notifications go to one fast receiver, beside a bare loop of POSTs by the same HTTP client.

Run: `python -m benchmarks.notify_rate [--notifications 10000] [--concurrency 64] [--rounds 5]`. The receiver is a process of its own; both sides post bodies of the same
size at the same concurrency. Ours signs them, keeps order, logs every attempt and commits it durably; claims and commits are part of the time.
"""

import argparse
import asyncio
import multiprocessing
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from benchmarks.notifying import a_notification, fill, middle_rate, notify, receivers, wait_for
from services.notify.payload import payload

LEAST = 0.5


def calldock_rate(notifications: int, concurrency: int) -> float:
    """Notifications a second that arrive."""
    with TemporaryDirectory() as folder, receivers(1) as heard:
        new = [a_notification(number, number + 1, 1, heard.ports[0]) for number in range(notifications)]
        asyncio.run(fill(Path(folder), new))
        # Bounds for one host and account count what is claimed ahead too; what is posted at once is bounded by the first.
        bounds = dict.fromkeys(("notify_posts_per_host", "notify_posts_per_account"), 4 * concurrency)
        with notify(Path(folder), notify_posts=concurrency, **bounds):
            wait_for(heard, notifications)
        return middle_rate(heard.heard()[heard.ports[0]])


def bare_rate(notifications: int, concurrency: int) -> float:
    """POSTs a second of the bare loop, in a process of its own."""
    with receivers(1) as heard:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_post_bare, args=(heard.ports[0], notifications, concurrency))
        process.start()
        process.join()
        return middle_rate(heard.heard()[heard.ports[0]])


def _post_bare(port: int, notifications: int, concurrency: int) -> None:
    asyncio.run(_post_all(port, notifications, concurrency))


async def _post_all(port: int, notifications: int, concurrency: int) -> None:
    url = f"http://127.0.0.1:{port}/hook"
    body = payload(a_notification(0, 1, 1, port).event).encode()
    numbers = iter(range(notifications))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def post_some() -> None:
            for _ in numbers:
                async with session.post(url, data=body) as response:
                    await response.read()

        await asyncio.gather(*(post_some() for _ in range(concurrency)))


def main() -> None:
    """Prints a table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notifications", type=int, default=10000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{arguments.notifications} notifications to one receiver, {arguments.concurrency} at once\n")
    print("| round | bare POST loop, 1/s | calldock, 1/s | ratio |\n|---|---|---|---|")
    ratios = []
    for number in range(1, arguments.rounds + 1):
        bare = bare_rate(arguments.notifications, arguments.concurrency)
        ours = calldock_rate(arguments.notifications, arguments.concurrency)
        ratios.append(ours / bare)
        print(f"| {number} | {bare:.0f} | {ours:.0f} | {ours / bare:.2f} |", flush=True)
    median = statistics.median(ratios)
    verdict = "kept" if median >= LEAST else "missed"
    print(f"\nMedian {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), at least {LEAST} is due: {verdict}.")


if __name__ == "__main__":
    main()
