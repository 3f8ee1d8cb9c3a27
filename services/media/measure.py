"""All that is measured of one channel of telephone speech (docs/contract.md 6; definitions and measured errors: docs/audio.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.media.band import measure_edges
from services.media.spectrum import FRAMES_PER_S, spectrum_of
from services.media.speech import measure_speech


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelFigures:
    """What the spectrum of a channel tells. Figures are None for a channel without sound; `active_power` is that of speech less noise, for comparing channels;
    `speaking` is (frames,), a frame each 32 ms: in which of them somebody speaks."""

    snr_db: float | None
    speech_s: float
    active_power: float
    low_edge_db: float | None
    high_edge_db: float | None
    speaking: NDArray[np.bool_]


def measure_channel(samples: NDArray[np.int16]) -> ChannelFigures:
    """Measures a channel. `samples` is (n,) int16 at 8000 Hz. A channel without sound gives None where a figure would have no meaning, never NaN."""
    spectrum = spectrum_of(samples)
    speech = measure_speech(spectrum)
    low, high = measure_edges(spectrum.power[spectrum.has_sound], speech.active[spectrum.has_sound])
    return ChannelFigures(
        snr_db=speech.snr_db,
        speech_s=float(np.count_nonzero(speech.active)) / FRAMES_PER_S,
        active_power=speech.active_power,
        low_edge_db=low,
        high_edge_db=high,
        speaking=speech.active,
    )
