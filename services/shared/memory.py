"""The interpreter's collector, tuned for processes that live long."""

import gc

YOUNG, MIDDLE, OLD = 50_000, 20, 50


def tune_memory() -> None:
    """At the start, with everything imported: what is there stays and is not looked at again; new cycles are looked for more rarely.

    With the defaults a busy notify spent a sixth of its time looking at modules (benchmarks/results.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
