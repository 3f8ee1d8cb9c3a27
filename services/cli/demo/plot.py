"""The calls of the demo's day: what is uploaded by which door, and what must come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.cli.demo.outside import Outside
from services.cli.demo.speech import RATE_HZ, conversation, wav_bytes, with_noise
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from services.shared.clock import SystemClock

QUIET_LINE_DBFS = -62.0
LOUD_LINE_DBFS = -24.0
"""The conversations lie near -25 dBFS: the first line is clean, the second buries them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One upload and its expected end. `call` is in the contract's JSON; `error_code` is empty for a call that must be processed."""

    title: str
    door: str
    call: Mapping[str, object]
    error_code: str = ""
    is_repeat: bool = False
    told: Sequence[str] = field(default=("in_process", "processed"))

    @property
    def ext_id(self) -> str:
        """The call's id."""
        return str(self.call["ext_id"])


def scenes(world: Outside) -> list[Scene]:
    """The day, with its recordings put on the host."""
    good = wav_bytes(with_noise(conversation(40), QUIET_LINE_DBFS))
    transfer = world.serve("transfer.wav", "audio/wav", good)
    hidden = world.serve("hidden.wav", "audio/wav", wav_bytes(with_noise(conversation(24, first=5), QUIET_LINE_DBFS)))
    short = world.serve("short.wav", "audio/wav", wav_bytes(with_noise(conversation(11.5), QUIET_LINE_DBFS)))
    mono = world.serve("mono.wav", "audio/wav", wav_bytes(conversation(20)[:1]))
    noisy = world.serve("noisy.wav", "audio/wav", wav_bytes(with_noise(conversation(24, first=2), LOUD_LINE_DBFS)))
    listening = id3_tag(SystemClock().now(), {"title": "demo"}) + encode_mp3(conversation(20, first=8), RATE_HZ)
    mp3 = world.serve("listening.mp3", "audio/mpeg", listening)

    def call(ext_id: str, minute: int, **fields: object) -> dict[str, object]:
        return {
            "ext_id": ext_id,
            "calling_phone_number": "89262444397",
            "called_phone_number": "+74955140576",
            "start_time": f"2026-11-02 10:{minute:02}:00",
            "finish_time": f"2026-11-02 10:{minute:02}:40",
            "is_lost": False,
            "callback": {"url": f"{world.url}/calls", "events": ["processed", "in_process", "error"]},
            **fields,
        }

    def wav(url: str, *employees: str) -> list[dict[str, str]]:
        return [
            {"employee_name": name, "employee_channel": "left", "record_url": url}
            for name in employees or ("Anna Petrova",)
        ]

    transferred = call(
        "transfer-1",
        0,
        is_transfer=True,
        wait_duration=6.5,
        talk_duration=40,
        tags=[{"tag_name": "new customer"}],
        wav_records=wav(transfer, "Anna Petrova", "Boris  Ivanov"),
    )
    failed = ("in_process", "error")
    return [
        Scene(title="a transferred call, two employees in one WAV", door="REST", call=transferred),
        Scene(
            title="an MP3 recording",
            door="JSON-RPC",
            call=call("mp3-1", 1, mp3_records=[{"employee_name": "anna petrova", "record_url": mp3}]),
        ),
        Scene(title="a lost call without recordings", door="JSON-RPC", call=call("lost-1", 2, is_lost=True)),
        Scene(title="the same ext_id again", door="gRPC", call=transferred, is_repeat=True),
        Scene(
            title="a hidden caller",
            door="gRPC",
            call=call("hidden-1", 3, calling_phone_number="", wav_records=wav(hidden)),
        ),
        Scene(
            title="a WAV that is too short",
            door="REST",
            call=call("short-1", 4, wav_records=wav(short)),
            error_code="wav_min_duration_processing_error",
            told=failed,
        ),
        Scene(
            title="a mono WAV",
            door="JSON-RPC",
            call=call("mono-1", 5, wav_records=wav(mono)),
            error_code="wav_channels_processing_error",
            told=failed,
        ),
        Scene(
            title="a WAV buried in noise",
            door="gRPC",
            call=call("noisy-1", 6, wav_records=wav(noisy)),
            error_code="wav_processing_error",
            told=failed,
        ),
        Scene(
            title="a link that answers 404",
            door="REST",
            call=call("gone-1", 7, wav_records=wav(f"{world.url}/recordings/gone.wav")),
            error_code="http_status_download_error",
            told=failed,
        ),
        Scene(
            title="a link to an address that may not be fetched",
            door="gRPC",
            call=call("inside-1", 8, wav_records=wav("https://169.254.169.254/latest/meta-data.wav")),
            error_code="download_error",
            told=failed,
        ),
    ]
