"""`calldock check`: would a recording be accepted? A file is judged here, without a running service; a link by calldock, which fetches it."""

import asyncio
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from calldock.media.v1.audio_pb2 import AudioRule, ChannelReport, RecordingErrorCode, RecordingFormat
from calldock.media.v1.recording_service_pb2 import CheckRecordingRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub
from calldock.media.v1.verdict_pb2 import RecordingVerdict
from rich.console import Console
from rich.table import Table

from services.cli.connect import CommandFailed, Door, WrongUsage
from services.cli.terminal_text import cell, json_of, one_line
from services.media.check import judge_alone
from services.media.servicer import verdict_message
from services.shared.errors import Trouble
from services.shared.rpc.values import value_of, word_of

CHECK_DEADLINE_S = 180.0
COLUMNS = 72
_BARS = " ▁▂▃▄▅▆▇█"
_FORMATS = {".wav": "wav", ".mp3": "mp3"}


def format_of(name: str, given: str | None) -> str:
    """`wav` or `mp3`: as given, or by the name's ending. Raises WrongUsage when neither says."""
    ending = Path(name.partition("?")[0]).suffix.lower()
    found = given or _FORMATS.get(ending)
    if found is None:
        raise WrongUsage(f"is {name} a WAV or an MP3? Say --format wav or --format mp3")
    return found


def check_file(path: Path, form: str, *, as_json: bool) -> bool:
    """Judges a file by the contract's rules and prints the verdict; True when it would be accepted."""
    try:
        found = asyncio.run(judge_alone(path, form))
    except (OSError, Trouble) as error:
        raise CommandFailed(f"{path} could not be judged: {error}") from error
    return _print(verdict_message(found), as_json=as_json)


def check_link(door: Door, url: str, form: str, *, as_json: bool) -> bool:
    """Has calldock fetch and judge a link by the account's rules and prints the verdict; True when it would be accepted."""
    request = CheckRecordingRequest(record_url=url, format=value_of(RecordingFormat, form))
    answer = RecordingServiceStub(door.channel).CheckRecording(
        request, timeout=CHECK_DEADLINE_S, metadata=door.metadata
    )
    return _print(answer.verdict, as_json=as_json)


def _print(verdict: RecordingVerdict, *, as_json: bool) -> bool:
    if as_json:
        print(json_of(verdict, indent=2))
        return verdict.is_accepted
    console = Console(soft_wrap=True)
    if verdict.is_accepted:
        console.print("accepted", style="green")
    else:
        code = word_of(RecordingErrorCode, verdict.error_code)
        console.print(f"refused: {code}: {one_line(verdict.error_message)}", style="red", markup=False)
    console.print(_figures(verdict))
    for name, channel in zip(("left", "right"), verdict.audio_report.channels, strict=False):
        if channel.peaks:
            console.print(f"{name:5} {_bars(_outline(channel.peaks))}", markup=False)
    for warning in verdict.audio_report.warnings:
        console.print(
            f"warning: {word_of(AudioRule, warning.rule)}: {one_line(warning.message)}", style="yellow", markup=False
        )
    return verdict.is_accepted


def _figures(verdict: RecordingVerdict) -> Table:
    report = verdict.audio_report
    table = Table(show_header=False, box=None)
    if report.codec:
        table.add_row("encoding", cell(report.codec))
    if report.HasField("sample_rate_hz"):
        table.add_row("sample rate", f"{report.sample_rate_hz:,} Hz")
    if report.HasField("channel_count"):
        table.add_row("channels", str(report.channel_count))
    if report.HasField("duration"):
        # Cut, not rounded: 15.9999 s must not read as 16.
        table.add_row("duration", f"{report.duration.ToMilliseconds() / 1000:.3f} s")
    for name, channel in zip(("left", "right"), report.channels, strict=False):
        table.add_row(name, ", ".join(_of_channel(channel)))
    if report.HasField("overlap_share"):
        table.add_row("both speak", f"{report.overlap_share:.0%} of the time, nobody {report.silence_share:.0%}")
    return table


def _of_channel(channel: ChannelReport) -> list[str]:
    if channel.is_dead:
        return ["no sound"]
    told = []
    if channel.HasField("snr_db"):
        told.append(f"SNR {channel.snr_db:.1f} dB")
    if channel.HasField("speech_duration"):
        told.append(f"speech {channel.speech_duration.ToTimedelta().total_seconds():.1f} s")
    if channel.HasField("level_dbfs"):
        told.append(f"level {channel.level_dbfs:.1f} dBFS")
    if channel.HasField("low_edge_db") and channel.HasField("high_edge_db"):
        told.append(f"band edges {channel.low_edge_db:.0f} / {channel.high_edge_db:.0f} dB")
    if channel.HasField("snr_db") and not channel.is_judged:
        told.append("not judged")
    return told


def _outline(peaks: bytes) -> list[float]:
    """The loudest of as many parts as the terminal shows, 0 to 1 of full scale."""
    starts = [column * len(peaks) // COLUMNS for column in range(COLUMNS + 1)]
    return [max(peaks[start:end]) / 255 for start, end in pairwise(starts)]


def _bars(peaks: Sequence[float]) -> str:
    """One character a part, 6 dB a step, so that quiet speech shows too: -48 dBFS and less is empty, full scale is full."""
    steps = len(_BARS) - 1
    return "".join(
        _BARS[max(0, min(steps, round(steps + math.log2(peak))))] if peak > 0 else _BARS[0] for peak in peaks
    )
