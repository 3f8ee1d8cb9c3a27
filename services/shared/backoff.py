"""How long to wait before trying again."""

import random
from datetime import timedelta


def jittered(pause: timedelta, rng: random.Random, share: float = 0.1) -> timedelta:
    """`pause` stretched by a random 0 to `share` of itself, so that many that failed together do not come back together."""
    return pause * (1 + share * rng.random())


def exponential(failures: int, first: timedelta, most: timedelta) -> timedelta:
    """The pause after the given number of failures in a row (1 or more): `first`, doubled each time, at most `most`."""
    doubled: int = 2 ** min(failures - 1, 30)
    return min(first * doubled, most)
