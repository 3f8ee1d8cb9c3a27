"""The samples of a WAV whose chunks were walked: 16 bit, little endian, interleaved. Nothing is decoded, so no decoder has a say in the verdict."""

import numpy as np
from numpy.typing import NDArray

from services.media.riff import WavHeader


def read_samples(data: bytes, header: WavHeader) -> NDArray[np.int16]:
    """The whole frames of a PCM 16 bit file, shape (channels, n), as a view of the data. What is left of a last frame that was cut is dropped."""
    frames = header.data_bytes // header.block_bytes
    interleaved = np.frombuffer(data, "<i2", frames * header.channel_count, header.data_offset)
    return interleaved.reshape(frames, header.channel_count).T
