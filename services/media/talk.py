"""Who talks when: the spans in which a channel speaks, and how the two share the time. Pure functions over masks of frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.media.spectrum import FRAME, HOP, SAMPLE_RATE_HZ

LONGEST_PAUSE_S = 0.5
"""A shorter pause does not end a span: people stop for breath, and before plosives."""
MOST_SEGMENTS = 2_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A span in which somebody speaks, in seconds from the beginning of the file."""

    start_s: float
    end_s: float


def segments(active: NDArray[np.bool_]) -> list[Segment]:
    """The spans of a channel: runs of active frames, with pauses of less than half a second inside. `active` is (frames,), a frame each 32 ms."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    starts, ends = edges[::2] * HOP, (edges[1::2] - 1) * HOP + FRAME
    if not len(starts):
        return []
    parted = starts[1:] - ends[:-1] >= LONGEST_PAUSE_S * SAMPLE_RATE_HZ
    first = np.concatenate(([True], parted))
    last = np.concatenate((parted, [True]))
    spans = zip(starts[first].tolist(), ends[last].tolist(), strict=True)
    return [Segment(start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ) for start, end in spans][:MOST_SEGMENTS]


def shares(speaking: Sequence[NDArray[np.bool_]]) -> tuple[float, float]:
    """The share of the frames in which all channels speak, and that in which none does; 0 and 1 when there are none. Masks of equal length, at least two."""
    if not len(speaking[0]):
        return 0.0, 1.0
    return float(np.mean(np.logical_and.reduce(speaking))), float(1 - np.mean(np.logical_or.reduce(speaking)))
