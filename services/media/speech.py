"""How much speech and how much noise a channel holds, blindly: there is no clean copy to compare with (docs/audio.md). Pure numpy over its spectrum."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.media.spectrum import BIN_COUNT, FRAMES_PER_S, Spectrum

SNR_LIMITS_DB = (-20.0, 60.0)

_ACTIVE_BELOW_LEVEL = 10**-1.59
"""Speech is active while above its own level less 15.9 dB, and 200 ms longer (ITU-T P.56, 5)."""
_ACTIVE_OVER_NOISE = 3.0
_LEVEL_ROUNDS = 10
_LEVEL_SETTLED = 1e-3


def _frames(seconds: float) -> int:
    return max(1, round(seconds * FRAMES_PER_S))


_HANGOVER = _frames(0.2)
_LEAST_FRAMES = 10

# What is heard at all: the quietest stretches of 80 ms, and what rises clearly above them for a second.
_QUIET_SPAN = _frames(0.08)
_QUIET_PERCENTILE = 3
_QUIET_SPREAD = 10**0.4
_HEARD_OVER_QUIET = 5.0
_LEAST_HEARD = FRAMES_PER_S * 1.0

# The floor that needs no pause: speech and music leave each sixth of the band free now and then, even when never all of them at once.
_SUB_BANDS = 6
_FLOOR_PERCENTILE = 1
_FLOOR_GAIN = 1.6
"""In white noise alone the first percentiles of six sub-bands sum to 1/2.4 of its mean; what speech leaves in them makes up for the rest (measured)."""
_LEAST_OF_QUIET = 10**-0.15
"""How far the sub-bands may go below the quietest stretches: further would mend talk without pauses, and take loud babble for it (measured)."""
_BESIDE_SILENCE = _frames(0.15)

# Pauses, found from above: stretches in which nothing loud is near, whatever is left in them.
_SPAN = _frames(0.05)
_TRIES = ((5.0, 0.3), (6.0, 0.2), (7.0, 0.1), (9.0, 0.0), (6.0, 0.03))
"""dB below the level of speech where loud begins, and the least share of the file that must then be pause: the nearer to the speech, the more pause is asked for, so
that the dips of talk without pauses, and of music, do not pass for pauses."""
_LOUD_OVER_PAUSE = 6.0
_PAUSE_ROUNDS = 12
_PAUSE_SETTLED = 0.98
_LEAST_PAUSE = _frames(0.4)
_MOST_SKEW_DB = 1.5
_SKEW_DB_PER_SHARE = 20.0
"""Few pauses count only when they are steady (mean over median), many may be lively: babble."""

_SUB_BAND_STARTS = np.arange(_SUB_BANDS) * BIN_COUNT // _SUB_BANDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speech:
    """`snr_db` is None for a channel without sound. `active` is (frames,): in which of them somebody speaks. `active_power` is that of speech less noise, for comparing channels."""

    snr_db: float | None
    active: NDArray[np.bool_]
    active_power: float


def measure_speech(spectrum: Spectrum) -> Speech:
    """The power of active speech (ITU-T P.56) over the mean power of the noise in the whole file, in 330-3400 Hz, in dB.

    The noise is that of the pauses where pauses are found; else, in talk without pauses, in music, or in babble as loud as the speech, it lies at
    most 1.5 dB under that of the quietest stretches, where the sub-bands say. Digital silence has no noise.
    """
    # Not by a matrix product: its library starts threads of its own, which cost more than they save.
    bands = np.add.reduceat(spectrum.power, _SUB_BAND_STARTS, axis=1)
    energy = bands.sum(axis=1, dtype=np.float64)
    nobody = np.zeros(len(energy), np.bool_)
    sounding = spectrum.has_sound
    if np.count_nonzero(sounding) < _LEAST_FRAMES:
        return Speech(snr_db=None, active=nobody, active_power=0.0)
    quiet = _quietest(energy, sounding)
    if np.count_nonzero(_near(energy > _HEARD_OVER_QUIET * quiet, 0, _HANGOVER)) < _LEAST_HEARD:
        return Speech(snr_db=SNR_LIMITS_DB[0], active=nobody, active_power=0.0)
    # A frame half in digital silence says too little.
    whole = sounding & ~_near(~sounding, _BESIDE_SILENCE, _BESIDE_SILENCE)
    if np.count_nonzero(whole) < 2 * _LEAST_FRAMES:
        whole = sounding
    free = np.percentile(bands[whole], _FLOOR_PERCENTILE, axis=0).sum(dtype=np.float64)
    noise = float(np.clip(free * _FLOOR_GAIN, quiet * _LEAST_OF_QUIET, quiet))
    level, _ = _level(energy, noise, float(np.percentile(energy[sounding], 95)))
    found = _noise_of_pauses(energy, whole, level)
    if found is not None:
        noise = found
    level, active = _level(energy, noise, level)
    over_file = noise * float(np.mean(sounding))
    if level <= 0:
        return Speech(snr_db=SNR_LIMITS_DB[0], active=active, active_power=0.0)
    snr = SNR_LIMITS_DB[1] if over_file <= 0 else float(np.clip(10 * np.log10(level / over_file), *SNR_LIMITS_DB))
    return Speech(snr_db=snr, active=active, active_power=level)


def _quietest(energy: NDArray[np.float64], sounding: NDArray[np.bool_]) -> float:
    """The mean of the stretches of 80 ms within 4 dB of their 3rd percentile."""
    inner = sounding & ~_near(~sounding, 1, 1)
    heard = energy[inner if np.count_nonzero(inner) >= _LEAST_FRAMES else sounding]
    smooth = np.convolve(heard, np.full(_QUIET_SPAN, 1 / _QUIET_SPAN), mode="valid")
    return float(smooth[smooth <= np.percentile(smooth, _QUIET_PERCENTILE) * _QUIET_SPREAD].mean())


def _noise_of_pauses(energy: NDArray[np.float64], whole: NDArray[np.bool_], level: float) -> float | None:
    """The mean power of the pauses; None when no pauses count."""
    smooth = np.convolve(energy, np.full(_SPAN, 1 / _SPAN), mode="same")
    for below_db, least_share in _TRIES:
        pause = _pauses(energy, smooth, whole, level * 10 ** (-below_db / 10))
        if pause is None or np.mean(pause) < least_share:
            continue
        mean = float(energy[pause].mean())
        skew_db = 10 * np.log10(mean / max(float(np.median(smooth[pause])), 1e-9))
        if skew_db <= _MOST_SKEW_DB + _SKEW_DB_PER_SHARE * np.mean(pause):
            return mean
    return None


def _pauses(
    energy: NDArray[np.float64], smooth: NDArray[np.float64], whole: NDArray[np.bool_], loud: float
) -> NDArray[np.bool_] | None:
    """The frames with nothing loud within 200 ms. Loud comes down to what is 8 dB over the pauses, from above: from below it would stop in the gaps of babble."""
    found = None
    for _ in range(_PAUSE_ROUNDS):
        pause = whole & ~_near(smooth > loud, _HANGOVER, _HANGOVER)
        if np.count_nonzero(pause) < _LEAST_PAUSE:
            break
        found = pause
        lower = _LOUD_OVER_PAUSE * float(energy[pause].mean())
        if lower >= loud * _PAUSE_SETTLED:
            break
        loud = lower
    return found


def _level(energy: NDArray[np.float64], noise: float, level: float) -> tuple[float, NDArray[np.bool_]]:
    """The mean power over the noise of the active frames, and which those are; 0 when none is."""
    over = energy - noise
    active = np.zeros(len(energy), np.bool_)
    for _ in range(_LEVEL_ROUNDS):
        active = _near(over > max(level * _ACTIVE_BELOW_LEVEL, _ACTIVE_OVER_NOISE * noise), 0, _HANGOVER)
        before, level = level, float(over[active].mean()) if active.any() else 0.0
        if level <= 0 or abs(level / before - 1) < _LEVEL_SETTLED:
            break
    return max(level, 0.0), active


def _near(marked: NDArray[np.bool_], before: int, after: int) -> NDArray[np.bool_]:
    """The frames that lie at most `before` frames ahead of a marked one, or at most `after` behind it."""
    count = len(marked)
    sums = np.zeros(count + before + after + 1, np.int32)
    np.cumsum(marked, out=sums[after + 1 : after + 1 + count])
    sums[after + 1 + count :] = sums[after + count]
    return np.asarray(sums[before + after + 1 :] > sums[:count])
