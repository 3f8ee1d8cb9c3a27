"""The outline of a WAV's sound, for a person to look at. Runs in a worker process, as everything that reads a stranger's file."""

import io

import numpy as np

from services.media.decode import CannotDecode, decode_pcm16


def waveform(data: bytes, columns: int) -> list[list[float]]:
    """The loudest sample of each of `columns` equal parts, 0 to 1 of full scale, for each channel. Empty when the file cannot be decoded, or is no PCM 16 bit WAV."""
    try:
        samples = decode_pcm16(io.BytesIO(data))
    except CannotDecode:
        return []
    if samples.shape[1] < columns:
        return []
    parts = np.array_split(np.abs(samples.astype(np.int32)), columns, axis=1)
    peaks = np.stack([part.max(axis=1) for part in parts], axis=1) / 32768
    return [[float(peak) for peak in channel] for channel in peaks]
