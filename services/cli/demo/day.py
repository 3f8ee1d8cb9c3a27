"""A day of calls for `calldock demo --keep`: something to click through."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from services.cli.demo.outside import Outside

_SEED = 20261102
_FIRST_HOUR, _LAST_HOUR = 8, 20
_EMPLOYEES = ("Anna Petrova", "Boris Ivanov", "Clara Schmidt", "Dmitri Orlov", "Elena Sokolova")
_TAGS = ("new customer", "complaint", "delivery", "call back")
_OUR_NUMBERS = ("+74955140576", "+74955140577", "+78123090001")
_RECORDINGS: Sequence[tuple[str, int]] = (
    ("transfer.wav", 46), ("hidden.wav", 22), ("listening.mp3", 14), ("short.wav", 6), ("mono.wav", 4), ("noisy.wav", 5), ("gone.wav", 3),
)  # fmt: skip
"""Files of the story's host, and in how many of a hundred calls with a recording each comes."""


def a_day(world: Outside, day: date, count: int) -> list[dict[str, object]]:
    """So many calls of a day, in the contract's JSON: most of them towards noon, a fifth of them lost. The same ones each time."""
    rng = random.Random(_SEED)
    starts = sorted(_moment(rng, day) for _ in range(count))
    return [_call(rng, world, number, start) for number, start in enumerate(starts, start=1)]


def _moment(rng: random.Random, day: date) -> datetime:
    hour = rng.triangular(_FIRST_HOUR, _LAST_HOUR, (_FIRST_HOUR + _LAST_HOUR) / 2)
    return datetime.combine(day, time()) + timedelta(seconds=int(hour * 3600))


def _call(rng: random.Random, world: Outside, number: int, start: datetime) -> dict[str, object]:
    is_lost = rng.random() < 0.2
    is_out = rng.random() < 0.3
    wait_s, talk_s = rng.randint(2, 40), 0 if is_lost else rng.randint(25, 600)
    theirs, ours = f"+7926{rng.randrange(10**7):07}", rng.choice(_OUR_NUMBERS)
    call: dict[str, object] = {
        "ext_id": f"day-{number}",
        "direction": "out" if is_out else "in",
        "calling_phone_number": ours if is_out else "" if rng.random() < 0.03 else theirs,
        "called_phone_number": theirs if is_out else ours,
        "start_time": f"{start:%Y-%m-%d %H:%M:%S}",
        "finish_time": f"{start + timedelta(seconds=wait_s + talk_s):%Y-%m-%d %H:%M:%S}",
        "is_lost": is_lost,
        "wait_duration": wait_s,
        "callback": {"url": f"{world.url}/calls", "events": ["processed", "in_process", "error"]},
    }
    if not is_lost:
        call["talk_duration"] = talk_s
        call |= _recorded(rng, world)
    if rng.random() < 0.35:
        call["tags"] = [{"tag_name": rng.choice(_TAGS)}]
    return call


def _recorded(rng: random.Random, world: Outside) -> Mapping[str, object]:
    if rng.random() < 0.1:
        return {}
    names, weights = zip(*_RECORDINGS, strict=True)
    (name,) = rng.choices(names, weights)
    record = {"employee_name": rng.choice(_EMPLOYEES), "record_url": f"{world.url}/recordings/{name}"}
    if name.endswith(".mp3"):
        return {"mp3_records": [record]}
    return {"wav_records": [{**record, "employee_channel": "left"}]}
