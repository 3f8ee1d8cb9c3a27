"""The spectrum of a channel over time, which the other measurements share. Pure numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8000
FRAME = 256
HOP = 256
"""Frames that meet measure as well as overlapping ones, at half the cost (docs/audio.md)."""
FRAMES_PER_S = SAMPLE_RATE_HZ / HOP
BIN_HZ = SAMPLE_RATE_HZ / FRAME
FIRST_BIN, LAST_BIN = 11, 108
"""344 to 3375 Hz at 31.25 Hz a bin: the whole bins within 330-3400 Hz."""
BIN_COUNT = LAST_BIN - FIRST_BIN + 1

_BLOCK_FRAMES = 1024
_SILENT_WITHIN = 1


@dataclass(frozen=True, slots=True)
class Spectrum:
    """`power` is (frames, 98) float32: power in the bins of 330-3400 Hz, a frame each 32 ms. `has_sound` is (frames,).

    Frames in which every sample lies within ±1 have no sound and no power: digital silence says nothing of the line.
    """

    power: NDArray[np.float32]
    has_sound: NDArray[np.bool_]


def spectrum_of(samples: NDArray[np.int16]) -> Spectrum:
    """256 samples a frame, one after another, Hann. `samples` is (n,) int16 at 8000 Hz; what is left at the end is not looked at."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    has_sound = (frames.max(axis=1) > _SILENT_WITHIN) | (frames.min(axis=1) < -_SILENT_WITHIN)
    power = np.zeros((len(frames), BIN_COUNT), np.float32)
    window = np.hanning(FRAME).astype(np.float32)
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        transformed = np.fft.rfft(frames[block] * window, axis=1)[:, FIRST_BIN : LAST_BIN + 1]
        np.add(transformed.real**2, transformed.imag**2, out=power[block])
    power[~has_sound] = 0
    return Spectrum(power, has_sound)


def bins(low_hz: float, high_hz: float) -> slice:
    """The columns of `Spectrum.power` within a range of frequencies."""
    first = int(np.ceil(low_hz / BIN_HZ)) - FIRST_BIN
    last = int(np.floor(high_hz / BIN_HZ)) - FIRST_BIN
    return slice(max(first, 0), last + 1)
