"""Sound for the tests: real speech, noise at a known level over it, and WAV files with every kind of fault."""

import math
import struct
from collections.abc import Callable, Sequence

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
    added = noise(kind, len(channel), np.random.default_rng(seed))
    gain = np.sqrt(active_power(band_pass(channel)) / band_power(added) / 10 ** (snr_db / 10))
    noisy: NDArray[np.int16] = np.clip(channel + added * gain, -32768, 32767).astype(np.int16)
    return noisy


def noise(
    kind: str, length: int, rng: np.random.Generator, talkers: Sequence[NDArray[np.int16]] = ()
) -> NDArray[np.float64]:
    """Noise of any level: white, pink, hum of 50 Hz, comfort (the shape of a telephone line), babble of eight who speak the `talkers`' phrases."""
    white = rng.normal(0, 1, length)
    match kind:
        case "white":
            return white
        case "pink":
            return _shaped(white, lambda hz: 1 / np.sqrt(np.maximum(hz, 20)))
        case "hum":
            return _hum(length, rng)
        case "comfort":
            knots, decibels = (0, 300, 800, 1500, 2500, 3400, 4000), (-20, 0, -4, -8, -10, -8, -30)
            return _shaped(white, lambda hz: 10 ** (np.interp(hz, knots, decibels) / 20))
        case "babble":
            return np.asarray(np.sum([_talk(talkers, length, rng) for _ in range(8)], axis=0))
    raise ValueError(kind)


def _talk(talkers: Sequence[NDArray[np.int16]], length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    order = np.resize(rng.permutation(len(talkers)), length // 4000)
    said = np.concatenate([talkers[int(place)] for place in order]).astype(np.float64)[:length]
    return np.roll(said / np.sqrt(np.mean(said**2)), int(rng.integers(length)))


def cliff(samples: NDArray[np.int16], *, below_hz: float = 0, above_hz: float = RATE_HZ) -> NDArray[np.int16]:
    """One channel with everything below and above the given frequencies cut off sharply."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(frequencies < below_hz) | (frequencies > above_hz)] = 0
    return np.clip(np.fft.irfft(spectrum, len(samples)), -32768, 32767).astype(np.int16)


def _hum(length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    # All tones begin anew after one period of the lowest.
    time = np.arange(RATE_HZ // 50) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6)) / k for k in range(1, 40))
    return np.asarray(np.resize(tones, length) + rng.normal(0, 0.02, length))


def _shaped(
    noise: NDArray[np.float64], gain: Callable[[NDArray[np.floating]], NDArray[np.floating]]
) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    return np.fft.irfft(spectrum * gain(frequencies), len(noise))


def band_pass(samples: NDArray[np.float64], low_hz: float = 330, high_hz: float = 3400) -> NDArray[np.float64]:
    """Cut sharply at both ends, by the whole spectrum."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(frequencies < low_hz) | (frequencies > high_hz)] = 0
    return np.fft.irfft(spectrum, len(samples))


def band_power(samples: NDArray[np.float64], low_hz: float = 330, high_hz: float = 3400) -> float:
    """The mean square of what `band_pass` leaves, by Parseval's theorem: without the way back from the spectrum. Neither edge is 0 Hz or half the rate."""
    first, last = math.ceil(low_hz * len(samples) / RATE_HZ), math.floor(high_hz * len(samples) / RATE_HZ)
    spectrum = np.fft.rfft(samples)[first : last + 1]
    return float(2 * np.sum(spectrum.real**2 + spectrum.imag**2) / len(samples) ** 2)


def active_power(samples: NDArray[np.float64]) -> float:
    """The power of active speech after ITU-T P.56: 20 ms frames, active while above their level less 15.9 dB, and 200 ms longer."""
    frame = 160
    power = np.mean(samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    level = float(np.percentile(power, 95))
    for _ in range(10):
        over = power > level * 10**-1.59
        active = np.convolve(over, np.ones(11), mode="full")[: len(over)] > 0
        level = float(power[active].mean())
    return level
