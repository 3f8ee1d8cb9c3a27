"""Whether a channel's speech reaches both ends of 330-3400 Hz, measured above the noise (docs/audio.md). Pure numpy over its spectrum.

Noise that was added after a cut fills the band; so the ends are compared by what speech adds to them, not by what is in them.
"""

import numpy as np
from numpy.typing import NDArray

from services.media.spectrum import bins

_LOW = bins(360, 420)
"""375 and 406 Hz: a sharp high-pass at 400 Hz leaves one of them and half of the other, one at 500 Hz neither."""
_HIGH = bins(3240, 3320)
"""3250, 3281 and 3312 Hz: a sharp low-pass at 3.3 kHz leaves two of them, one at 3.2 kHz none."""
_MIDDLE = bins(900, 1700)
_BODIES = (bins(510, 650), bins(600, 1000))
_PRESENCE = bins(1700, 3100)
_VOICE = bins(600, 1700)

_LOUD_SHARE = 0.3
"""The upper end is judged over the active frames that are loudest just below it: there a voice shows it. With 0.1 the noise spreads more, with all the middle is
diluted by quiet frames: both bring a cliff under 20 dB of white noise 3-4 dB nearer to the limit (measured)."""
_SPREADS = 0.7
"""Standard errors that a level may be off: more would let noise hide a cliff, less would refuse speech whose upper end lies in noise."""
_LEAST_FRAMES = 8
_DEEPEST = 1e-6


def measure_edges(power: NDArray[np.float32], active: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """What speech adds at 375-406 Hz against the louder of 510-1000 Hz and the middle (900-1700 Hz), and at 3250-3312 Hz against the middle, in dB.

    `power` is (frames, bins) without digital silence, `active` (frames,): in which somebody speaks. None for a channel in which hardly anybody does.
    An end that noise hides counts as loud as it may be without being told from the noise: what cannot be measured does not refuse.
    """
    speech, rest = np.flatnonzero(active), np.flatnonzero(~active)
    if len(speech) < _LEAST_FRAMES:
        return None, None
    noise = power[rest].mean(axis=0) if len(rest) >= _LEAST_FRAMES else np.zeros(power.shape[1], np.float32)
    spoken = _in_db(power[speech].mean(axis=0), noise)
    voiced = _in_db(power[_loudest(power, speech, _VOICE)].mean(axis=0), noise)
    body = max(float(np.median(spoken[_MIDDLE])), *(float(spoken[each].mean()) for each in _BODIES))
    # The median of noise in one bin lies ln 2 below its mean: its power is exponential. It also sees noise that a gate lets through with the speech alone.
    floor = np.maximum(np.median(power[speech][:, _ENDS], axis=0) / np.log(2), noise[_ENDS])
    low, high = slice(0, _LOW.stop - _LOW.start), slice(_LOW.stop - _LOW.start, None)
    upper = _loudest(power, speech, _PRESENCE)
    return (
        _end_db(power[speech][:, _LOW], floor[low], len(speech), len(rest), body),
        _end_db(power[upper][:, _HIGH], floor[high], len(speech), len(rest), float(np.median(voiced[_MIDDLE]))),
    )


_ENDS = np.r_[_LOW, _HIGH]


def _loudest(power: NDArray[np.float32], speech: NDArray[np.intp], where: slice) -> NDArray[np.intp]:
    energy = power[:, where].sum(axis=1)[speech]
    count = min(len(energy), max(_LEAST_FRAMES, int(len(energy) * _LOUD_SHARE)))
    return np.asarray(speech[np.argpartition(energy, len(energy) - count)[len(energy) - count :]])


def _end_db(
    chosen: NDArray[np.float32], floor: NDArray[np.float64], speech_frames: int, other_frames: int, reference_db: float
) -> float:
    """What the chosen frames hold over the floor, and what the noise leaves uncertain, against the reference."""
    error = _SPREADS * floor * np.sqrt(1 / len(chosen) + 1 / max(other_frames, speech_frames / 2))
    level = np.maximum(chosen.mean(axis=0, dtype=np.float64) - floor, 0) + error
    return float((10 * np.log10(np.maximum(level, 10 ** (reference_db / 10) * _DEEPEST))).mean()) - reference_db


def _in_db(level: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level less noise in dB, at least 30 dB below the level itself, so that it is always a number."""
    return np.asarray(10 * np.log10(np.maximum((level - noise).astype(np.float64), level * 1e-3 + 1e-9)))
