"""MP3s to their end, by PyAV. Runs in a worker process that may die: the files come from anybody. The one door to av."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import av


class CannotDecode(Exception):
    """The decoder stopped; the message says what it met, in words that begin in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp3Facts:
    """What a whole MP3 turned out to be."""

    sample_rate_hz: int
    channel_count: int
    duration_s: float


def decode_mp3(file: BinaryIO) -> Mp3Facts:
    """Decodes an MP3 to its end and tells what it is. Raises CannotDecode, also when there is no sound in it."""
    samples = 0
    with _opened(file, "mp3", ("mp3", "mp3float")) as (container, stream):
        for frame in container.decode(stream):
            samples += frame.samples
        rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if not samples or not rate:
        raise CannotDecode("there is no sound in the file")
    return Mp3Facts(sample_rate_hz=rate, channel_count=channels, duration_s=samples / rate)


@contextmanager
def _opened(file: BinaryIO, form: str, codecs: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Opens a file object, never a name (which could be a URL), with one demuxer and with decoders that are looked at before they run."""
    file.seek(0)
    try:
        with av.open(
            file, mode="r", format=form, options={"format_whitelist": form}, metadata_errors="replace"
        ) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise CannotDecode("there is no sound in the file")
            if stream.codec_context.name not in codecs:
                raise CannotDecode(f"the decoder found {stream.codec_context.name}, {codecs[0]} is needed")
            yield container, stream
    # Besides av's own errors these were seen on damaged files.
    except (av.error.FFmpegError, UnicodeDecodeError, AttributeError, ValueError) as error:
        raise CannotDecode(
            f"the decoder stopped: {getattr(error, 'strerror', None) or type(error).__name__}"
        ) from error
