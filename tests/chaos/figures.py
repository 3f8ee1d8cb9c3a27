"""What each fault came to, added up over its injections."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from tests.chaos.traffic import System, Traffic, look
from tests.support.running import until

BEFORE, AFTER = 6, 6
"""Calls that are acknowledged before a fault, and after it."""
_numbers = count()


@dataclass
class Figure:
    """One row of the table. Times are the longest seen, in seconds from the end of the fault."""

    fault: str
    injected: int = 0
    calls: int = 0
    lost: int = 0
    duplicated: int = 0
    half_stored: int = 0
    out_of_order: int = 0
    orphans: int = 0
    repeated: int = 0
    failed: int = 0
    answers_s: float = 0.0
    ended_s: float = 0.0


FIGURES: dict[str, Figure] = {}


@contextmanager
def under_traffic(
    system: System, fault: str, *, injected: int = 1, clients: int = 2, pause_s: float = 0.1, handing_over: int = 0
) -> Iterator[Traffic]:
    """Calls go in before, while and after the body breaks something; then nothing may be lost, twice, half, out of order or left over.

    `pause_s` lies between two uploads of a client: what long faults leave waiting must come to its end. The last `handing_over` of the clients send files, not links.
    """
    figure = FIGURES.setdefault(fault, Figure(fault))
    with Traffic(system, f"f{next(_numbers)}", clients=clients, pause_s=pause_s, handing_over=handing_over) as traffic:
        until(lambda: len(traffic.acknowledged) >= BEFORE, 60)
        yield traffic
        mended = time.monotonic()
        enough = len(traffic.acknowledged) + AFTER
        until(lambda: len(traffic.acknowledged) >= enough, 90)
        answers_s = time.monotonic() - mended
    seen = look(traffic)
    figure.injected += injected
    figure.calls += seen.calls
    figure.lost += seen.lost
    figure.duplicated += seen.duplicated
    figure.half_stored += seen.half_stored
    figure.out_of_order += seen.out_of_order
    figure.orphans += seen.orphans
    figure.repeated += seen.repeated_callbacks
    figure.failed += traffic.failed.total()
    figure.answers_s = max(figure.answers_s, answers_s)
    figure.ended_s = max(figure.ended_s, seen.dry_at - mended)
    assert seen.wrong() == {}
