"""How commands reach calldock, the running instance's sockets or a front door with a token, and how answers read."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.cli.instance import NotRunning, read_runtime
from services.shared.backoff import exponential

DEFAULT_DATA_DIR = Path("calldock-data")
DEADLINE_S = 30.0
PATIENCE = timedelta(seconds=17)
FIRST_PAUSE = timedelta(seconds=0.2)
LONGEST_PAUSE = timedelta(seconds=5)
LONGEST_ASKED_PAUSE = timedelta(seconds=65)
"""What calldock may ask to wait for: the next minute, for an account whose points of this one are spent."""
LOOKAHEAD_BYTES = 1024 * 1024
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

T = TypeVar("T")


class CommandFailed(Exception):
    """The command came to nothing; the message says why and what to do next."""


class WrongUsage(CommandFailed):
    """What was typed cannot be meant so."""


@dataclass(frozen=True, slots=True)
class Door:
    """A channel to the front door and the metadata that every call carries."""

    channel: grpc.Channel
    metadata: tuple[tuple[str, str], ...]


def internal_channel(data_dir: Path, service: str) -> grpc.Channel:
    """A channel to a service of the instance on this data directory, or of CALLDOCK_SOCKETS, the folder of `<service>-internal.sock` where no `up` runs. Raises CommandFailed when none runs."""
    if (sockets := os.environ.get("CALLDOCK_SOCKETS")) and (Path(sockets) / f"{service}-internal.sock").exists():
        return grpc.insecure_channel(f"unix:{sockets}/{service}-internal.sock")
    try:
        return grpc.insecure_channel(read_runtime(data_dir).internal(service))
    except NotRunning as error:
        raise CommandFailed(str(error)) from error


def front_door(data_dir: Path, url: str | None, token: str | None) -> Door:
    """A door to `url`, or to the instance on this data directory, with an account's token. Raises WrongUsage without a token or for what is no address, CommandFailed when no instance runs there."""
    if not token:
        raise WrongUsage("whose calls? Give an access token: --token TOKEN, or set CALLDOCK_TOKEN")
    if url is None:
        try:
            url = read_runtime(data_dir).url
        except NotRunning as error:
            raise CommandFailed(f"{error}, or name a front door: --url URL") from error
    scheme, _, rest = url.partition("://")
    target = rest.rstrip("/")
    if scheme not in ("http", "https") or not target:
        raise WrongUsage(f"--url takes an address such as http://127.0.0.1:8080, not {url}")
    options = [
        # The environment's proxies are for the world outside, not for calldock.
        ("grpc.enable_http_proxy", 0),
        # What of a recording may be on its way here: without a bound gRPC takes the more ahead, the longer an answer takes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    ]
    if scheme == "http":
        channel = grpc.insecure_channel(target, options=options)
    else:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=options)
    return Door(channel, (("authorization", f"Bearer {token}"),))


def asked_until_there(
    ask: Callable[[], T], sleep: Callable[[float], None] = time.sleep, patience: timedelta = PATIENCE
) -> T:
    """Asks, and asks again while calldock is away or has no room, until it was waited for that long. Where the answer says when to come, a minute ahead at most, that is waited for
    beside. Raises RpcError for every other failure, and for the last."""
    waited = timedelta()
    for failures in count(1):
        try:
            return ask()
        except grpc.RpcError as error:
            pause, asked = exponential(failures, FIRST_PAUSE, LONGEST_PAUSE), _asked_pause(error)
            waited += pause
            if error.code() not in _AWAY or asked > LONGEST_ASKED_PAUSE or waited > patience:
                raise
        sleep(max(asked, pause).total_seconds())
    raise AssertionError("counting ended")


def _asked_pause(error: grpc.RpcError) -> timedelta:
    """How long the answer asks to wait; nothing when it does not say."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    retry = error_details_pb2.RetryInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(retry):
            return timedelta(seconds=retry.retry_delay.ToMilliseconds() / 1000)
    return timedelta()


def as_dict(message: Message) -> dict[str, object]:
    """What a command prints with --json: the fields under their own names, those with a default too."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def explain(error: grpc.RpcError) -> str:
    """What a refused call says, with every wrong field on a line of its own."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    lines = [error.details() or error.code().name]
    for detail in status.details if status is not None else ():
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad) and len(bad.field_violations) > 1:
            lines = [f"{len(bad.field_violations)} fields are wrong:"]
            lines += [f"  {violation.field}: {violation.description}" for violation in bad.field_violations]
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        lines.append("Is calldock running? `calldock up` starts it.")
    return os.linesep.join(lines)
