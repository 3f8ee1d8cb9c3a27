"""The demo's course: start, upload by three doors, watch, check every expectation, tell."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
from calldock.intake.internal.v1.admin_service_pb2 import CreateAccountRequest, CreateAccountResponse
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub
from calldock.intake.v1.call_pb2 import Call, CallStatus, RecordingStatus
from grpc import aio
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cli.calls import error_word, figures
from services.cli.demo.day import a_day
from services.cli.demo.doors import Doors
from services.cli.demo.outside import Outside, outside
from services.cli.demo.plot import Scene, scenes
from services.cli.open import sign_in_link
from services.cli.up import Instance, running
from services.cli.vcon import records_of
from services.shared.clock import SystemClock
from services.shared.rpc.serve import until_stopped
from services.shared.rpc.values import word_of

PATIENCE_S = 45.0
_POLL_S = 0.1
_A_REQUEST = 100
_ENDED = ("processed", "error")


@dataclass(slots=True)
class Seen:
    """A scene and what came of it."""

    scene: Scene
    said: str = ""
    call: Call | None = None
    told: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The call's status so far."""
        return word_of(CallStatus, self.call.status) if self.call else ""

    @property
    def error_code(self) -> str:
        """The call's error; empty when it has none."""
        return error_word(self.call) if self.call else ""

    @property
    def measured(self) -> str:
        """The figures of the call's first recording."""
        records = records_of(self.call) if self.call else []
        return figures(records[0].recording) if records else ""


def run_demo(*, as_json: bool, keep: int = 0) -> bool:
    """Plays the demo and prints its summary; True when every expectation was seen. With `keep`, so many more calls are taken in and all of it stays until SIGINT or SIGTERM."""
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="calldock-demo-") as folder:
        return asyncio.run(_play(Path(folder), console, as_json=as_json, keep=keep))


def _tell(seen: Sequence[Seen], folder: Path, console: Console, *, as_json: bool) -> bool:
    if as_json:
        print(json.dumps([_facts(each) for each in seen], ensure_ascii=False, indent=2))
    else:
        console.print(_summary(seen))
    faults = [f"{each.scene.ext_id}: {fault}" for each in seen for fault in each.faults]
    for fault in faults:
        console.print(f"[red]not as expected:[/red] {escape(fault)}")
    if faults:
        console.print((folder / "services.log").read_text()[-4000:], markup=False)
    else:
        told = sum(len(each.told) for each in seen)
        console.print(
            f"[green]Every expectation was seen[/green]: {len(seen)} uploads through three doors, {told} verified notifications."
        )
    return not faults


async def _play(folder: Path, console: Console, *, as_json: bool, keep: int) -> bool:
    async with outside(folder) as world:
        host = world.url.removeprefix("https://")
        # Whatever this machine's calldock is set to, its database and storage among that, is not the demo's.
        plain = {name: value for name, value in os.environ.items() if not name.upper().startswith("CALLDOCK_")}
        environment = {**plain, "CALLDOCK_EGRESS_ALLOW": host, "CALLDOCK_EGRESS_CA_FILE": str(world.ca_file)}
        with (folder / "services.log").open("wb") as log:
            async with running(folder / "data", f"127.0.0.1:{_free_port()}", environment, output=log) as instance:
                console.print("Starting Envoy, intake, media and notify ...")
                await instance.wait_until_ready()
                console.print(
                    f"calldock is ready: {instance.url}. Uploading a day of calls; recordings and receiver live on {world.url}."
                )
                account = await _create_account(instance)
                world.secret = account.webhook_secret
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20), trust_env=False) as http:
                    doors = Doors(instance.url, account.access_token, http)
                    try:
                        seen = await _upload_and_watch(doors, world, console)
                        is_well = _tell(seen, folder, console, as_json=as_json)
                        if keep:
                            await _stay(folder / "data", account, keep, doors, world, console)
                        return is_well
                    finally:
                        await doors.close()


async def _stay(
    data_dir: Path, made: CreateAccountResponse, count: int, doors: Doors, world: Outside, console: Console
) -> None:
    """Takes in a day of calls, says where to look at them, and waits until it is asked to end."""
    token = made.access_token
    today = SystemClock().now().astimezone(ZoneInfo(made.account.time_zone))
    calls = a_day(world, today.date() - timedelta(days=1), count)
    for start in range(0, count, _A_REQUEST):
        await doors.upload_all(calls[start : start + _A_REQUEST])
    columns = (TextColumn("a day of calls"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=count)
        while left := await doors.unfinished():
            progress.update(task, completed=max(count - left, 0))
            await asyncio.sleep(_POLL_S)
    link = await asyncio.to_thread(sign_in_link, data_dir, None, token)
    console.print(f"\nLook at {count} calls of yesterday, and at those of the story, once within five minutes:\n")
    console.print(link, markup=False, highlight=False, soft_wrap=True)
    console.print("\nAnother link, while this runs:\n")
    console.print(f"calldock open --data-dir {data_dir} --token {token}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C ends it and leaves nothing behind.")
    await until_stopped()


async def _upload_and_watch(doors: Doors, world: Outside, console: Console) -> list[Seen]:
    seen = [Seen(scene) for scene in scenes(world)]
    with Live(_progress(seen), console=console, refresh_per_second=8, transient=True) as live:
        for each in seen:
            each.said = await doors.upload(each.scene.door, each.scene.call)
            await _look(doors, world, [each])
            live.update(_progress(seen))
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not _all_over(seen) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_POLL_S)
            await _look(doors, world, seen)
            live.update(_progress(seen))
    for each in seen:
        each.faults = await _faults(each, doors, world)
    return seen


async def _look(doors: Doors, world: Outside, seen: Sequence[Seen]) -> None:
    for each in seen:
        if each.status not in _ENDED:
            each.call = await doors.lookup(each.scene.ext_id)
        each.told = [] if each.scene.is_repeat else world.heard.events(each.scene.ext_id)


def _all_over(seen: Sequence[Seen]) -> bool:
    return all(
        each.status in _ENDED and (each.scene.is_repeat or len(each.told) >= len(each.scene.told)) for each in seen
    )


async def _faults(seen: Seen, doors: Doors, world: Outside) -> list[str]:
    """What was not as the scene expects, in words."""
    scene, call = seen.scene, seen.call
    if call is None:
        return ["the call is not there"]
    faults = []
    said = {"JSON-RPC": "success"}.get(scene.door, "OUTCOME_DUPLICATE" if scene.is_repeat else "OUTCOME_CREATED")
    if seen.said != said:
        faults.append(f"the door said {seen.said}, not {said}")
    if seen.error_code != scene.error_code:
        faults.append(
            f"the error is {seen.error_code or 'none'}, not {scene.error_code or 'none'}: {call.error_message}"
        )
    if seen.status != ("error" if scene.error_code else "processed"):
        faults.append(f"the status is {seen.status}")
    if not scene.is_repeat and seen.told != list(scene.told):
        faults.append(f"the receiver was told {seen.told}, not {list(scene.told)}")
    if world.heard.forged:
        faults.append(f"{world.heard.forged} notifications came with a wrong signature")
    for body in world.heard.bodies.get(scene.ext_id, []):
        if body["status"] == "processed" and body["call_session_id"] != call.call_session_id:
            faults.append("a notification names another call")
    for record in records_of(call):
        known = record.recording
        if known.status == RecordingStatus.RECORDING_STATUS_ACCEPTED:
            audio = await doors.audio(known.recording_id)
            if len(audio) != known.audio_size_bytes or not audio.startswith(b"ID3"):
                faults.append(f"recording {known.recording_id} cannot be listened to")
    return faults


async def _create_account(instance: Instance) -> CreateAccountResponse:
    async with aio.insecure_channel(instance.runtime.internal("intake")) as channel:
        return await AdminServiceStub(channel).CreateAccount(CreateAccountRequest(name="Demo"), timeout=20)


def _progress(seen: Sequence[Seen]) -> Table:
    table = Table("upload", "door", "call", "status", "told")
    for each in seen:
        table.add_row(each.scene.title, each.scene.door, each.scene.ext_id, each.status or "...", ", ".join(each.told))
    return table


def _summary(seen: Sequence[Seen]) -> Table:
    table = Table(title="What came of it", show_lines=True)
    table.add_column("upload", ratio=2)
    table.add_column("status", no_wrap=True)
    table.add_column("verdict and figures", ratio=3, overflow="fold")
    table.add_column("told", no_wrap=True)
    for each in seen:
        mark = "" if not each.faults else "[red]✗[/red] "
        table.add_row(
            f"{mark}{each.scene.title}\n[dim]{each.scene.ext_id}, {each.scene.door}[/dim]",
            each.status,
            "\n".join(filter(None, (*_verdict(each), each.measured))),
            "\n".join(each.told),
        )
    return table


def _verdict(seen: Seen) -> tuple[str, ...]:
    if seen.scene.is_repeat:
        return ("duplicate, nothing changed",)
    if seen.call is None or not seen.error_code:
        return ("[green]ok[/green]",)
    return (f"[yellow]{seen.error_code}[/yellow]", escape(seen.call.error_message))


def _facts(seen: Seen) -> dict[str, object]:
    return {
        "title": seen.scene.title,
        "door": seen.scene.door,
        "ext_id": seen.scene.ext_id,
        "call_session_id": seen.call.call_session_id if seen.call else None,
        "status": seen.status,
        "error_code": seen.error_code or None,
        "error_message": seen.call.error_message if seen.call else "",
        "measured": seen.measured,
        "notifications": seen.told,
        "faults": seen.faults,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
