"""The chunks of a WAV, walked by ourselves: what a lenient decoder passes over is decided here (docs/contract.md 6).

The layout is that of the Multimedia Programming Interface and Data Specifications 1.0 (RIFF) and of WAVEFORMATEXTENSIBLE.
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

PCM = 0x0001
_EXTENSIBLE = 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_STREAMED_LENGTHS = (0, 0xFFFFFFFF)
_MAX_CHUNKS = 10_000

_CODECS = {
    0x0002: "MS ADPCM",
    0x0003: "IEEE float",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0055: "MP3",
}


class BadRiff(Exception):
    """The file is no WAV that can be read; the message says where it fails, in words that begin in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavHeader:
    """What the header says. `format_tag` is that of the samples, also when the header is extensible."""

    format_tag: int
    channel_count: int
    sample_rate_hz: int
    block_bytes: int
    bits_per_sample: int
    data_offset: int
    data_bytes: int

    @property
    def codec(self) -> str:
        """The name of the samples' encoding."""
        if self.format_tag == PCM:
            return f"PCM {self.bits_per_sample} bit"
        return _CODECS.get(self.format_tag, f"format 0x{self.format_tag:04x}")


def read_header(file: BinaryIO) -> WavHeader:
    """Walks the chunks up to the samples. Raises BadRiff.

    A data length of 0 or 0xFFFFFFFF is a streamed header: the samples go on to the end of the file. Samples may be cut by up to one frame.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF":
        raise BadRiff(f"first bytes are {head[:4].decode('latin-1')!a}, RIFF is needed")
    if len(head) < 12 or head[8:12] != b"WAVE":
        raise BadRiff("the file is RIFF but not WAVE")
    format_chunk: bytes | None = None
    for _ in range(_MAX_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            raise BadRiff("the file ends before its samples" if format_chunk else "there is no fmt chunk")
        name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            if format_chunk is None:
                raise BadRiff("the samples come before the fmt chunk")
            return _header(format_chunk, file.tell(), length, size)
        if file.tell() + length > size:
            raise BadRiff(f"the chunk {name!r} is longer than the file")
        if name == b"fmt ":
            if format_chunk is not None:
                raise BadRiff("there are two fmt chunks")
            if length < 16:
                raise BadRiff(f"the fmt chunk has {length} bytes, at least 16 are needed")
            format_chunk = file.read(min(length, 64))
            file.seek(length - len(format_chunk) + length % 2, os.SEEK_CUR)
        else:
            file.seek(length + length % 2, os.SEEK_CUR)
    raise BadRiff("there are too many chunks before the samples")


def _header(chunk: bytes, offset: int, declared: int, size: int) -> WavHeader:
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE:
        if len(chunk) < 40:
            raise BadRiff("the extensible fmt chunk is cut short")
        if chunk[26:40] == _SUBFORMAT_TAIL:
            tag = struct.unpack("<H", chunk[24:26])[0]
    there = max(size - offset, 0)
    data = there if declared in _STREAMED_LENGTHS else min(declared, there)
    if declared not in _STREAMED_LENGTHS and declared - there > max(block, 1):
        raise BadRiff(f"the samples are cut short: {declared:,} bytes declared, {there:,} there")
    return WavHeader(
        format_tag=tag,
        channel_count=channels,
        sample_rate_hz=rate,
        block_bytes=block,
        bits_per_sample=bits,
        data_offset=offset,
        data_bytes=data,
    )
