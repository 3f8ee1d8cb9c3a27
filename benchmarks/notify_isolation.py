"""What one dead receiver among fifty costs the others.

Run: `python -m benchmarks.notify_isolation [--each 200] [--pairs 5]`. 49 receivers answer at once; the fiftieth takes connections and never answers, and as much waits for it.
Paired runs without it and with it, with notify's own bounds, once with all receivers of one account and once each of its own.
"""

import argparse
import asyncio
import socket
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.notifying import a_notification, fill, middle_rate, notify, receivers, wait_for

LIVE = 49
LEAST = 0.75
TIMEOUT_S = 2


@contextmanager
def a_dead_receiver() -> Iterator[int]:
    """The port of one that takes connections, by its backlog, and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        yield int(listening.getsockname()[1])


def rate(each: int, *, with_dead: bool, is_one_account: bool) -> float:
    """Notifications a second that the live receivers get together."""
    with TemporaryDirectory() as folder, receivers(LIVE) as heard, a_dead_receiver() as dead:
        ports = [*heard.ports, *([dead] if with_dead else [])]
        # The dead one's come first: whatever it holds up, it holds up from the start.
        order = [(port, place) for place in range(each) for port in reversed(ports)]
        new = [
            a_notification(number, number + 1, 1, port, account=1 if is_one_account else 1 + ports.index(port))
            for number, (port, _) in enumerate(order)
        ]
        asyncio.run(fill(Path(folder), new))
        with notify(Path(folder), notify_timeout_s=TIMEOUT_S):
            wait_for(heard, LIVE * each)
        return middle_rate([moment for came in heard.heard().values() for moment in came])


def main() -> None:
    """Prints a table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    worst = 2.0
    for is_one_account in (True, False):
        print(f"\n{LIVE} receivers {'of one account' if is_one_account else 'of an account each'}\n")
        print("| pair | without the dead one, 1/s | with it, 1/s | ratio |\n|---|---|---|---|")
        ratios = []
        for number in range(1, arguments.pairs + 1):
            without = rate(arguments.each, with_dead=False, is_one_account=is_one_account)
            beside = rate(arguments.each, with_dead=True, is_one_account=is_one_account)
            ratios.append(beside / without)
            print(f"| {number} | {without:.0f} | {beside:.0f} | {ratios[-1]:.2f} |", flush=True)
        worst = min(worst, statistics.median(ratios))
        print(f"\nMedian {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}).")
    print(f"At least {LEAST} is due: {'kept' if worst >= LEAST else 'missed'}.")


if __name__ == "__main__":
    main()
