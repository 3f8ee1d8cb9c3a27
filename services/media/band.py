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
    speaking, others = int(np.count_nonzero(active)), int(np.count_nonzero(~active))
    if speaking < _LEAST_FRAMES:
        return None, None
    noise = _mean(power, ~active) if others >= _LEAST_FRAMES else np.zeros(power.shape[1], np.float32)
    spoken = _in_db(_mean(power, active), noise)
    voiced = _in_db(_mean(power, _loudest(power, active, _VOICE)), noise)
    body = max(float(np.median(spoken[_MIDDLE])), *(float(spoken[each].mean()) for each in _BODIES))
    # Noise that a gate lets through with the speech alone is in its median. Power of noise in one bin is exponential: the median lies ln 2 below the mean.
    low, high = (np.maximum(np.median(power[active, each], axis=0) / np.log(2), noise[each]) for each in (_LOW, _HIGH))
    upper = _loudest(power, active, _PRESENCE)
    counted = max(others, speaking / 2)
    return (
        _end_db(_mean(power[:, _LOW], active), low, 1 / speaking + 1 / counted, body),
        _end_db(
            _mean(power[:, _HIGH], upper),
            high,
            1 / np.count_nonzero(upper) + 1 / counted,
            float(np.median(voiced[_MIDDLE])),
        ),
    )


def _mean(power: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(power[chosen].mean(axis=0))


def _loudest(power: NDArray[np.float32], active: NDArray[np.bool_], where: slice) -> NDArray[np.bool_]:
    """The active frames that are loudest in a range."""
    energy = np.where(active, power[:, where].sum(axis=1), -1)
    speaking = int(np.count_nonzero(active))
    count = min(speaking, max(_LEAST_FRAMES, int(speaking * _LOUD_SHARE)))
    chosen = np.zeros(len(active), np.bool_)
    chosen[np.argpartition(energy, len(energy) - count)[len(energy) - count :]] = True
    return chosen


def _end_db(level: NDArray[np.float32], floor: NDArray[np.floating], variance: float, reference_db: float) -> float:
    """A level over the floor, and what the noise leaves uncertain, against the reference. `variance` is that of the mean of noise with mean 1."""
    heard = np.maximum(level - floor, 0) + _SPREADS * floor * np.sqrt(variance)
    return float((10 * np.log10(np.maximum(heard, 10 ** (reference_db / 10) * _DEEPEST))).mean()) - reference_db


def _in_db(level: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level less noise in dB, at least 30 dB below the level itself, so that it is always a number."""
    return np.asarray(10 * np.log10(np.maximum((level - noise).astype(np.float64), level * 1e-3 + 1e-9)))
