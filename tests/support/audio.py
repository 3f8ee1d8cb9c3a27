"""Sound for the tests: real speech, noise at a known level over it, and WAV files with every kind of fault."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.cli.demo.speech import RATE_HZ, conversation, wav_bytes, with_noise

EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def good_wav(seconds: float = 20.0) -> bytes:
    """A WAV that every rule takes."""
    return wav_bytes(with_noise(conversation(seconds), -62))


def fmt_chunk(
    tag: int = 1,
    channels: int = 2,
    rate: int = RATE_HZ,
    bits: int = 16,
    *,
    extensible: bool = False,
    block: int | None = None,
) -> bytes:
    """The content of a fmt chunk."""
    frame = channels * ((bits + 7) // 8) if block is None else block
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame, frame, bits)
    if not extensible:
        return head
    return head + struct.pack("<HHI", 22, bits, 3) + struct.pack("<H", tag) + EXTENSIBLE_TAIL


def riff(chunks: Sequence[tuple[bytes, bytes]], *, data_length: int | None = None, form: bytes = b"RIFF") -> bytes:
    """A RIFF file of the chunks, padded to even sizes; the length of `data` can lie."""
    body = b""
    for name, content in chunks:
        length = len(content) if name != b"data" or data_length is None else data_length
        body += name + struct.pack("<I", length) + content + b"\0" * (len(content) % 2)
    return form + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def samples_of(seconds: float = 20.0) -> bytes:
    """The samples of a good conversation, interleaved."""
    samples = with_noise(conversation(seconds), -62)
    return np.ascontiguousarray(samples.T).tobytes()


def speech_with_noise(
    snr_db: float, kind: str, *, voice: int = 0, seconds: float = 30.0, seed: int = 5
) -> NDArray[np.int16]:
    """One channel of real speech (voice 0 or 1) with noise at a true signal-to-noise ratio in 330-3400 Hz.

    The signal's power is that of its active frames after ITU-T P.56, as audio measuring defines it.
    """
    channel = conversation(seconds, first=seed % 7)[voice].astype(np.float64)
    rng = np.random.default_rng(seed)
    noise = {
        "white": lambda: rng.normal(0, 1, len(channel)),
        "pink": lambda: _shaped(rng.normal(0, 1, len(channel)), lambda f: 1 / np.sqrt(np.maximum(f, 20))),
        "hum": lambda: _hum(len(channel), rng),
    }[kind]()
    signal_power = _active_power(_band(channel))
    noise_power = float(np.mean(_band(noise) ** 2))
    scaled = noise * np.sqrt(signal_power / noise_power / 10 ** (snr_db / 10))
    noisy: NDArray[np.int16] = np.clip(channel + scaled, -32768, 32767).astype(np.int16)
    return noisy


def cliff(samples: NDArray[np.int16], *, below_hz: float = 0, above_hz: float = RATE_HZ) -> NDArray[np.int16]:
    """One channel with everything below and above the given frequencies cut off sharply."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(frequencies < below_hz) | (frequencies > above_hz)] = 0
    return np.clip(np.fft.irfft(spectrum, len(samples)), -32768, 32767).astype(np.int16)


def _hum(length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(length) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6)) / k for k in range(1, 40))
    return np.asarray(tones + rng.normal(0, 0.02, length))


def _shaped(noise: NDArray[np.float64], gain: object) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    return np.fft.irfft(spectrum * gain(frequencies), len(noise))  # type: ignore[operator]


def _band(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(frequencies < 330) | (frequencies > 3400)] = 0
    return np.fft.irfft(spectrum, len(samples))


def _active_power(samples: NDArray[np.float64]) -> float:
    frame = 160
    power = np.mean(samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    level = float(np.percentile(power, 95))
    for _ in range(10):
        over = power > level * 10**-1.59
        active = np.convolve(over, np.ones(11), mode="full")[: len(over)] > 0
        level = float(power[active].mean())
    return level
