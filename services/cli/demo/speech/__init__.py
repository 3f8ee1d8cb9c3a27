"""Real telephone speech, and conversations built from it. Credit and licence: LICENSE.md beside this file."""

import io
import json
import wave
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
_PAUSE_S = 0.4


@lru_cache(maxsize=2)
def phrases(language: str) -> tuple[NDArray[np.int16], ...]:
    """The phrases of a voice, `en` or `es`: each (n,) int16 at 8000 Hz."""
    folder = resources.files(__name__)
    with wave.open(io.BytesIO(folder.joinpath(f"{language}.wav").read_bytes())) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    index = json.loads(folder.joinpath("index.json").read_text())[language]["phrases"]
    return tuple(samples[phrase["start"] : phrase["start"] + phrase["len"]] for phrase in index)


def conversation(seconds: float, *, first: int = 0) -> NDArray[np.int16]:
    """Two people who take turns: shape (2, n), the English voice left, the Spanish one right, beginning with phrase number `first` of each."""
    total = int(seconds * RATE_HZ)
    channels = np.zeros((2, total), np.int16)
    voices = (phrases("en"), phrases("es"))
    at, turn = int(_PAUSE_S * RATE_HZ), 0
    while at < total:
        voice = voices[turn % 2]
        spoken = voice[(first + turn // 2) % len(voice)][: total - at]
        channels[turn % 2, at : at + len(spoken)] = spoken
        at += len(spoken) + int(_PAUSE_S * RATE_HZ)
        turn += 1
    return channels


def with_noise(samples: NDArray[np.int16], level_dbfs: float, seed: int = 1) -> NDArray[np.int16]:
    """The samples with white noise of this level, in dB below full scale, in every channel."""
    noise = np.random.default_rng(seed).normal(0, 32768 * 10 ** (level_dbfs / 20), samples.shape)
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


def wav_bytes(samples: NDArray[np.int16]) -> bytes:
    """A PCM 16 bit WAV at 8000 Hz of samples of shape (channels, n)."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.ascontiguousarray(samples.T).tobytes())
    return out.getvalue()
