"""Measuring telephone speech: pure functions over one channel (docs/contract.md 6; definitions and measured errors: docs/audio.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8000
FRAME = 256
HOP = 128
FRAMES_PER_S = SAMPLE_RATE_HZ / HOP

_FIRST_BIN, _LAST_BIN = 11, 108
"""344 to 3375 Hz at 31.25 Hz a bin: the whole bins within 330-3400 Hz."""
_BIN_HZ = SAMPLE_RATE_HZ / FRAME
_BLOCK_FRAMES = 4096
_FULL_SCALE = 32768.0

SNR_LIMITS_DB = (-20.0, 60.0)
_NOISE_PERCENTILE = 3
_NOISE_SPREAD = 10 ** (4 / 10)
_NOISE_MEAN_FRAMES = 5
_ACTIVE_BELOW_LEVEL = 10 ** (-15.9 / 10)
_ACTIVE_OVER_NOISE = 4.0
_HANGOVER_FRAMES = 12
_LEVEL_ROUNDS = 10
_TOP_PERCENTILE = 97
_DEEPEST = 1e-12
"""Empty bins count as 120 dB below the loudest, so that a figure is always a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFigures:
    """What one channel holds. Spectral figures are None for a channel without sound; `active_power` is that of speech less noise, for comparing channels."""

    snr_db: float | None
    speech_s: float
    active_power: float
    low_edge_db: float | None
    high_edge_db: float | None
    level_dbfs: float | None
    clipping_share: float
    dc_offset: float


def measure_channel(samples: NDArray[np.int16]) -> ChannelFigures:
    """Measures a channel. `samples` is (n,) int16 at 8000 Hz. A channel without sound gives None where a figure would have no meaning, never NaN."""
    power = band_power(samples)
    signal = _signal_over_noise(power.sum(axis=1, dtype=np.float64))
    low, high = _edges(power)
    as_float = samples.astype(np.float64)
    mean_square = float(np.mean(as_float**2)) if len(samples) else 0.0
    return ChannelFigures(
        snr_db=signal.snr_db,
        speech_s=signal.active_frames / FRAMES_PER_S,
        active_power=signal.active_power,
        low_edge_db=low,
        high_edge_db=high,
        level_dbfs=_decibels(mean_square / _FULL_SCALE**2) if mean_square > 0 else None,
        clipping_share=float(np.mean((samples == 32767) | (samples == -32768))) if len(samples) else 0.0,
        dc_offset=float(np.mean(as_float)) / _FULL_SCALE if len(samples) else 0.0,
    )


def band_power(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Power in 330-3400 Hz, shape (frames, bins): 256 samples a frame, hop 128, Hann. Frames in which every sample lies within ±1 are left out: digital silence says nothing of the line."""
    if len(samples) < FRAME:
        return np.zeros((0, _LAST_BIN - _FIRST_BIN + 1), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    window = np.hanning(FRAME).astype(np.float32)
    kept = []
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = frames[start : start + _BLOCK_FRAMES]
        block = block[(block.max(axis=1) > 1) | (block.min(axis=1) < -1)]
        spectrum = np.fft.rfft(block.astype(np.float32) * window, axis=1)[:, _FIRST_BIN : _LAST_BIN + 1]
        kept.append((spectrum.real**2 + spectrum.imag**2).astype(np.float32))
    return np.concatenate(kept)


@dataclass(frozen=True, slots=True)
class _Signal:
    snr_db: float | None
    active_frames: int
    active_power: float


def _signal_over_noise(energy: NDArray[np.float64]) -> _Signal:
    """Speech power (active frames after ITU-T P.56: above the active level less 15.9 dB, 200 ms hang-over) over the noise floor.

    The floor is the mean of the frames within 4 dB of the 3rd percentile of the smoothed energy.
    """
    if len(energy) < _NOISE_MEAN_FRAMES:
        return _Signal(None, 0, 0.0)
    smooth = np.convolve(energy, np.full(_NOISE_MEAN_FRAMES, 1 / _NOISE_MEAN_FRAMES), mode="valid")
    floor = np.percentile(smooth, _NOISE_PERCENTILE)
    noise = float(smooth[smooth <= floor * _NOISE_SPREAD].mean())
    over = np.maximum(energy - noise, 0)
    level = float(np.percentile(over, 95))
    active = np.zeros(len(over), bool)
    for _ in range(_LEVEL_ROUNDS):
        active = _with_hangover(over > max(level * _ACTIVE_BELOW_LEVEL, _ACTIVE_OVER_NOISE * noise))
        level = float(over[active].mean()) if active.any() else 0.0
    if level <= 0:
        return _Signal(SNR_LIMITS_DB[0], int(active.sum()), 0.0)
    snr = SNR_LIMITS_DB[1] if noise <= 0 else float(np.clip(_decibels(level / noise), *SNR_LIMITS_DB))
    return _Signal(snr, int(active.sum()), level)


def _with_hangover(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks the 12 frames after each active one too."""
    counts = np.cumsum(np.concatenate((np.zeros(1, np.int64), active.astype(np.int64))))
    ends = np.arange(1, len(active) + 1)
    starts = np.maximum(ends - 1 - _HANGOVER_FRAMES, 0)
    return np.asarray(counts[ends] > counts[starts])


def _edges(power: NDArray[np.float32]) -> tuple[float | None, float | None]:
    """The loudest spectrum (97th percentile over time, in dB) at 330-430 and at 3200-3400 Hz against the middle of the band, in dB."""
    if not len(power):
        return None, None
    top = np.percentile(power, _TOP_PERCENTILE, axis=0)
    if not top.any():
        return None, None
    top_db = 10 * np.log10(np.maximum(top, top.max() * _DEEPEST))
    middle = float(np.median(top_db[_bins(900, 1700)]))
    body = max(float(top_db[_bins(600, 1000)].mean()), middle)
    low, high = float(top_db[_bins(330, 430)].mean()), float(top_db[_bins(3200, 3400)].mean())
    return low - body, high - middle


def _bins(low_hz: float, high_hz: float) -> slice:
    first = int(np.ceil(low_hz / _BIN_HZ)) - _FIRST_BIN
    last = int(np.floor(high_hz / _BIN_HZ)) - _FIRST_BIN
    return slice(max(first, 0), last + 1)


def _decibels(ratio: float) -> float:
    return float(10 * np.log10(max(ratio, 1e-12)))
