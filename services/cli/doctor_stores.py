"""What the doctor asks of what calldock runs on: storage, database and its clock, Envoy, the front door, the services."""

import asyncio
import http.client
import os
import ssl
import subprocess
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from services.cli.doctor_looks import Installation
from services.cli.finding import Finding, fine, not_looked, wrong
from services.cli.front_door import envoy_binary
from services.cli.instance import NotRunning, Runtime, read_runtime
from services.cli.known_settings import SERVICES
from services.cli.migrate import KEEPERS
from services.media.settings import MediaSettings
from services.shared.db.database_clock import time_of
from services.shared.db.looking import pending_in_file
from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import CannotRun, Trouble
from services.shared.objects import open_store

CLOCK_TOLERANCE = timedelta(seconds=5)
"""Links that expire bear a few seconds; leases go by the database's own clock (docs/decisions/0012-the-databases-clock.md)."""
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
"""Before calldock was written: a machine whose clock was never set."""
ENVOY_S = 20.0
ANSWER_S = 5.0


async def look_at_storage(media: MediaSettings) -> Finding:
    """Writes, reads and deletes a small object of its own."""
    area, place = "storage", media.storage_url or f"{media.data_dir}/recordings"
    if not media.storage_url and not (media.data_dir / "recordings").is_dir():
        return not_looked(area, f"{place} is not there", "`calldock up` makes it at its first start")
    key, data = f"doctor/{uuid.uuid4()}", os.urandom(64)
    try:
        store = open_store(media.storage)
        await store.put(key, data)
        came = await store.get(key)
        await store.delete([key])
    except (Trouble, ValueError, OSError) as error:
        cause = f": {str(error.__cause__).splitlines()[0][:300]}" if str(error.__cause__ or "") else ""
        then = "look at CALLDOCK_STORAGE_URL, the CALLDOCK_S3_ settings, and who may write, read and delete there"
        return wrong(area, f"{place}: {error}{cause}", then)
    if came != data:
        return wrong(area, f"{place} gave back something else than was written", "do not use this store")
    return fine(area, f"{place} takes, gives and deletes an object")


async def look_at_database(installation: Installation) -> list[Finding]:
    """Whether both schemas answer and are up to date, and the clock beside the database's."""
    if not installation.database_url:
        data_dir = installation.media.data_dir
        # Before the files are opened, which may touch them.
        clock = _clock_alone(data_dir)
        return [*(_sqlite(data_dir / f"{name}.db", name) for name in KEEPERS), clock]
    findings = []
    for service in KEEPERS:
        db = PostgresDatabase(installation.database_url, service, connections=1)
        try:
            findings.append(_schema(f"database {service}", "PostgreSQL", await db.pending(_migrations(service))))
        except CannotRun as error:
            then = "look whether PostgreSQL runs and CALLDOCK_DATABASE_URL names it"
            findings.append(wrong(f"database {service}", str(error), then))
        finally:
            await db.stop()
    return [*findings, await _clock_beside(installation.database_url)]


async def look_at_services(data_dir: Path) -> list[Finding]:
    """Envoy's binary, the front door and the services behind it, as far as an instance runs."""
    envoy = await asyncio.to_thread(_envoy)
    try:
        runtime = read_runtime(data_dir)
        os.kill(runtime.pid, 0)
    except (NotRunning, ProcessLookupError):
        why, then = f"no calldock runs on {data_dir}", f"`calldock up --data-dir {data_dir}`"
        return [envoy, not_looked("front door", why, then), not_looked("services", why)]
    except PermissionError:
        return [envoy, not_looked("front door", "it runs as another user", "run doctor as that user")]
    behind = [await asyncio.to_thread(_service, runtime, name) for name in SERVICES]
    return [envoy, await asyncio.to_thread(_front_door, runtime.url), *behind]


def judge_clock(ours: datetime, theirs: datetime) -> Finding:
    """Our clock against the database's."""
    ahead = (ours - theirs).total_seconds()
    if abs(ahead) > CLOCK_TOLERANCE.total_seconds():
        found = f"{abs(ahead):,.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
        return wrong("clock", found, "have both machines keep time by NTP (`timedatectl`)")
    return fine("clock", f"within {CLOCK_TOLERANCE.total_seconds():g} s of the database's")


def _sqlite(path: Path, service: str) -> Finding:
    area = f"database {service}"
    if not path.exists():
        then = "`calldock up` makes it at its first start; for PostgreSQL, set CALLDOCK_DATABASE_URL here too"
        return not_looked(area, f"{path} is not there", then)
    try:
        return _schema(area, str(path), pending_in_file(path, _migrations(service)))
    except CannotRun as error:
        return wrong(area, str(error), "look who may read it; docs/backup.md says how to restore one that is damaged")


def _schema(area: str, where: str, pending: Sequence[str]) -> Finding:
    if pending:
        found = f"{where} answers; {len(pending)} migrations are pending, the first is {pending[0]}"
        return wrong(area, found, "`calldock migrate`, or start this release's calldock")
    return fine(area, f"{where} answers, and its schema is up to date")


async def _clock_beside(url: str) -> Finding:
    db = PostgresDatabase(url, KEEPERS[0], connections=1)
    try:
        # The first answer opens the connection, which takes its time.
        await db.read(time_of)
        began = datetime.now(UTC)
        theirs = await db.read(time_of)
        return judge_clock(began + (datetime.now(UTC) - began) / 2, theirs)
    except Trouble:
        return not_looked("clock", "the database does not tell its time")
    finally:
        await db.stop()


def _clock_alone(data_dir: Path) -> Finding:
    now = datetime.now(UTC)
    written = [path.stat().st_mtime for name in KEEPERS if (path := data_dir / f"{name}.db").exists()]
    newest = max((datetime.fromtimestamp(each, UTC) for each in written), default=now)
    if now < LONG_AGO or newest > now + CLOCK_TOLERANCE:
        found = f"it is {now:%Y-%m-%d %H:%M:%S} UTC here, and databases were written at {newest:%Y-%m-%d %H:%M:%S}"
        return wrong("clock", found, "set it, and have it kept by NTP (`timedatectl`)")
    return fine("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, and nothing was written later")


def _envoy() -> Finding:
    try:
        binary = envoy_binary()
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=ENVOY_S, check=True)  # noqa: S603 - our own binary
    except FileNotFoundError as error:
        return wrong("envoy", str(error), "install it; elsewhere Envoy runs by itself and this does not matter")
    except (OSError, subprocess.SubprocessError) as error:
        return wrong("envoy", f"it does not run here: {type(error).__name__}", "install calldock anew for this machine")
    version = done.stdout.rpartition("version:")[2].strip().split("/")
    return fine("envoy", f"{binary}, {version[1] if len(version) > 1 else 'runs'}")


def _front_door(url: str) -> Finding:
    area, parts, began = "front door", urlsplit(url), time.monotonic()
    # Its own door, by an address that no certificate names.
    connection = (
        http.client.HTTPConnection(parts.netloc, timeout=ANSWER_S)
        if parts.scheme == "http"
        else http.client.HTTPSConnection(parts.netloc, timeout=ANSWER_S, context=ssl._create_unverified_context())  # noqa: S323
    )
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return wrong(area, f"{url} does not answer: {error}", "look at the log of `calldock up`, and restart it")
    finally:
        connection.close()
    if status != 200:
        return wrong(area, f"{url} answers, and is not ready ({status})", "look at the services below, and their log")
    return fine(area, f"{url} is ready, in {(time.monotonic() - began) * 1000:.0f} ms")


def _service(runtime: Runtime, name: str) -> Finding:
    area = f"service {name}"
    with grpc.insecure_channel(runtime.internal(name)) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )
        try:
            status = check(HealthCheckRequest(), timeout=ANSWER_S).status
        except grpc.RpcError as error:
            return wrong(area, f"does not answer: {error.code().name}", "its last lines in the log say why")
    if status != HealthCheckResponse.SERVING:
        return wrong(area, "lives, and is not ready", "it lacks its database: look above, and in its log")
    return fine(area, "ready")


def _migrations(service: str) -> Path:
    return Path(str(resources.files(f"services.{service}"))) / "migrations"
