"""Loudness of a channel sample by sample, without any spectrum: outline, level, clipping, DC offset. Pure functions over int16 samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0
PARTS = 400
"""Parts of the outline: a player a thousand pixels wide shows no more."""
DEAD_WITHIN = 1
"""A channel whose samples all lie this close to zero carries no sound: digital silence, or the dither of a converter."""

_BLOCK = 1 << 19
_TOP, _BOTTOM = 32767, -32768


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How loud a channel is. `level_dbfs` is the root mean square of all samples against full scale, None when all are zero; `clipping_share` the share of samples
    at the ends of the scale; `dc_offset` their mean as a share of full scale; `peaks` the loudest sample of each of 400 equal parts, 255 for full scale, empty
    when there are fewer samples than parts."""

    level_dbfs: float | None
    clipping_share: float
    dc_offset: float
    is_dead: bool
    peaks: bytes


def measure_level(samples: NDArray[np.int16]) -> Level:
    """Measures a channel. `samples` is (n,) int16."""
    count = len(samples)
    if not count:
        return Level(level_dbfs=None, clipping_share=0.0, dc_offset=0.0, is_dead=True, peaks=b"")
    starts = np.arange(PARTS) * count // PARTS if count >= PARTS else np.zeros(1, np.intp)
    tops, bottoms = np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts)
    top, bottom = int(tops.max()), int(bottoms.min())
    clipped = (int(np.count_nonzero(samples == _TOP)) if top == _TOP else 0) + (
        int(np.count_nonzero(samples == _BOTTOM)) if bottom == _BOTTOM else 0
    )
    energy = 0.0
    for start in range(0, count, _BLOCK):
        block = samples[start : start + _BLOCK].astype(np.float32)
        energy += float(np.einsum("i,i->", block, block))
    mean_square = energy / count / FULL_SCALE**2
    return Level(
        level_dbfs=float(10 * np.log10(mean_square)) if mean_square > 0 else None,
        clipping_share=clipped / count,
        dc_offset=int(samples.sum(dtype=np.int64)) / count / FULL_SCALE,
        is_dead=top <= DEAD_WITHIN and bottom >= -DEAD_WITHIN,
        peaks=_peaks(tops, bottoms) if count >= PARTS else b"",
    )


def _peaks(tops: NDArray[np.int16], bottoms: NDArray[np.int16]) -> bytes:
    loudest = np.maximum(tops.astype(np.int32), -bottoms.astype(np.int32))
    # Rounded up, so that nothing but silence is 0.
    return bytes(np.ceil(loudest * (255 / FULL_SCALE)).astype(np.uint8).tobytes())
