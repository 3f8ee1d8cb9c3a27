"""intake, put together: database, doors, loops, and a stop that finishes what runs."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from calldock.intake.internal.v1 import (
    admin_service_pb2_grpc,
    identity_service_pb2_grpc,
    one_time_link_service_pb2_grpc,
    points_service_pb2_grpc,
    recording_index_service_pb2_grpc,
)
from calldock.intake.v1 import (
    account_service_pb2_grpc,
    call_service_pb2_grpc,
    directory_service_pb2_grpc,
    json_door_service_pb2_grpc,
)

from services.intake.account import CALL_UPLOAD
from services.intake.accounts import Accounts
from services.intake.changing import Changes
from services.intake.directory import DirectoryEntries
from services.intake.directory_servicer import DirectoryServicer
from services.intake.discarding import Discarding, repeat_until_cancelled
from services.intake.erasing import Erasing
from services.intake.fetching import Fetching
from services.intake.handing_over import HandingOver
from services.intake.hosts import RecordingHosts
from services.intake.json_door import JsonDoorServicer
from services.intake.jsonrpc_methods import JsonRpcMethods
from services.intake.metrics import IntakeMetrics
from services.intake.peers import Media, Notify
from services.intake.points import METHOD_POINTS, UPLOAD_POINTS
from services.intake.processing import Processing
from services.intake.quota import Quota
from services.intake.readback import Readback
from services.intake.relay import Relay
from services.intake.retaining import Retaining
from services.intake.servicer import (
    AccountServicer,
    AdminServicer,
    CallServicer,
    IdentityServicer,
    OneTimeLinkServicer,
    PointsServicer,
    RecordingIndexServicer,
)
from services.intake.settings import IntakeSettings
from services.intake.signing_in import OneTimeLinks
from services.intake.standing import Standing
from services.intake.store.filtering import FUNCTIONS
from services.intake.store.garbage import discard_let_go
from services.intake.store.tables import CALL_WORK, FETCH, OUTBOX_WORK, PROCESS
from services.intake.store.upkeep import free_all_work, sweep_all_work
from services.intake.upload import Uploads
from services.intake.watching import Bell, Watching
from services.shared.clock import Clock
from services.shared.db.answering import answers
from services.shared.db.database import Database
from services.shared.db.database_clock import clock_of, keep_right_until_cancelled
from services.shared.db.opening import open_database
from services.shared.db.wake_ups import WakeUps
from services.shared.db.work_queue import WorkQueue
from services.shared.db.work_table import Claim
from services.shared.identity import Role
from services.shared.metrics import LOOKED_AT_EVERY, serve_metrics
from services.shared.quota import metered
from services.shared.rpc.identity import IdentityCache, current_identity, identity_guard, internal_guards, sessions_of
from services.shared.rpc.serve import Listener, follow_readiness_until_cancelled, until_stopped
from services.shared.rpc.tls import PeerTls, opened_tls
from services.shared.rpc.validate import check_rules
from services.shared.sealing import Sealer, read_key
from services.shared.settings import FRONT_DOOR_ROOM
from services.shared.work import WorkLoop, sweep_until_cancelled

log = structlog.get_logger()

ENVELOPE_BYTES = 65_536
MIGRATIONS = Path(__file__).parent / "migrations"
APART = ("services.intake.store.taking_in", "services.intake.messages", "services.intake.json_drafts")
"""What uploads are stored by, and read by, where the database has a process for it."""

_CALLS = "calldock.intake.v1.CallService"
_ACCOUNT = "calldock.intake.v1.AccountService"
_DIRECTORY = "calldock.intake.v1.DirectoryService"
_JSON = "calldock.intake.v1.JsonDoorService"
_INTERNAL = (
    "calldock.intake.internal.v1.AdminService",
    "calldock.intake.internal.v1.IdentityService",
    "calldock.intake.internal.v1.OneTimeLinkService",
    "calldock.intake.internal.v1.PointsService",
    "calldock.intake.internal.v1.RecordingIndexService",
)

_ENTRIES = {
    "Tag": (Role.UPLOAD, Role.ADMIN),
    "Employee": (Role.UPLOAD, Role.ADMIN),
    "Site": (Role.ADMIN, Role.ADMIN),
    "Campaign": (Role.ADMIN, Role.ADMIN),
    "Source": (Role.ADMIN, Role.ADMIN),
    "VisitorSession": (Role.UPLOAD, Role.UPLOAD),
}
"""Who creates, and who changes, each kind of entry."""

ROLES = {
    f"/{_CALLS}/UploadCalls": Role.UPLOAD,
    f"/{_CALLS}/GetCall": Role.READ,
    f"/{_CALLS}/LookupCall": Role.READ,
    f"/{_CALLS}/ListCalls": Role.READ,
    f"/{_CALLS}/GetOverview": Role.READ,
    f"/{_CALLS}/WatchCalls": Role.READ,
    f"/{_CALLS}/CancelCall": Role.UPLOAD,
    f"/{_CALLS}/ReprocessCall": Role.UPLOAD,
    f"/{_CALLS}/DeleteCall": Role.UPLOAD,
    f"/{_CALLS}/DeleteCalls": Role.ADMIN,
    f"/{_ACCOUNT}/GetAccount": Role.READ,
    f"/{_ACCOUNT}/UpdateAccount": Role.ADMIN,
    f"/{_ACCOUNT}/SetRecordingHost": Role.ADMIN,
    f"/{_ACCOUNT}/ListRecordingHosts": Role.ADMIN,
    f"/{_ACCOUNT}/RemoveRecordingHost": Role.ADMIN,
    f"/{_ACCOUNT}/CreateToken": Role.ADMIN,
    f"/{_ACCOUNT}/ListTokens": Role.ADMIN,
    f"/{_ACCOUNT}/BlockToken": Role.ADMIN,
    f"/{_JSON}/UploadCallsJson": Role.UPLOAD,
    # The token stands in the body.
    f"/{_JSON}/CallJsonRpc": None,
    **{f"/{_DIRECTORY}/List{entry}s": Role.READ for entry in _ENTRIES},
    **{f"/{_DIRECTORY}/Create{entry}": create for entry, (create, _) in _ENTRIES.items()},
    **{f"/{_DIRECTORY}/BatchCreate{entry}s": create for entry, (create, _) in _ENTRIES.items()},
    **{f"/{_DIRECTORY}/Update{entry}": change for entry, (_, change) in _ENTRIES.items()},
}


COSTS = dict.fromkeys(ROLES, METHOD_POINTS) | {
    f"/{_CALLS}/UploadCalls": UPLOAD_POINTS,
    f"/{_JSON}/UploadCallsJson": UPLOAD_POINTS,
    # Meters each method of its own.
    f"/{_JSON}/CallJsonRpc": 0,
}
"""Points of each method (docs/contract.md 8)."""

COMPONENTS = {f"/{_CALLS}/UploadCalls": CALL_UPLOAD, f"/{_JSON}/UploadCallsJson": CALL_UPLOAD}
"""The component of each method that needs one."""


CALLERS = {
    "calldock.intake.internal.v1.AdminService": frozenset({"operator"}),
    "calldock.intake.internal.v1.IdentityService": frozenset({"media", "notify"}),
    "calldock.intake.internal.v1.OneTimeLinkService": frozenset({"media"}),
    "calldock.intake.internal.v1.PointsService": frozenset({"media", "notify"}),
    "calldock.intake.internal.v1.RecordingIndexService": frozenset({"media"}),
}
"""Which processes each internal service is for."""


async def serve(settings: IntakeSettings) -> None:
    """Runs intake until SIGTERM. Raises CannotRun when it cannot: the database is not to be had, the key is not the one that credentials were sealed with; OSError when an address is taken."""
    tls = opened_tls(settings.peer_tls, "intake")
    rng = random.Random()
    metrics = IntakeMetrics()
    db = await open_database(settings, "intake", MIGRATIONS, FUNCTIONS, APART)
    stop_metrics = serve_metrics(settings.intake_metrics_listen, metrics.registry)
    media = Media(settings.media_address, settings.internal_key, tls)
    notify = Notify(settings.notify_address, settings.internal_key, tls)
    try:
        clock = await clock_of(db)
        hosts = RecordingHosts(db, Sealer(read_key(settings.secret_key.get_secret_value())), clock)
        await hosts.check_key()
        if not db.is_shared:
            await db.write(free_all_work, clock.now())
        bell = Bell()
        watching = Watching(db, bell, clock)
        loops = Loops(db, media, notify, hosts, settings, clock, rng, bell, metrics)
        public, internal = _listeners(db, notify, hosts, settings, clock, loops, watching, metrics, tls)
        await internal.start(settings.internal_addresses)
        await public.start(settings.public_addresses)
        await public.start_health(settings.health_listen)
        log.info("intake.started", public=settings.public_listen)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(loops.run())
            following = group.create_task(follow_readiness_until_cancelled((public, internal), partial(answers, db)))
            keeping = group.create_task(keep_right_until_cancelled(clock))
            await until_stopped()
            following.cancel()
            loops.stop()
            watching.stop()
            await asyncio.gather(
                public.drain(settings.drain_s, settings.drain_notice_s),
                asyncio.wait([running], timeout=settings.drain_s),
            )
            running.cancel()
            keeping.cancel()
        await internal.drain(settings.drain_s)
    finally:
        await media.close()
        await notify.close()
        stop_metrics()
        await db.stop()
        log.info("intake.stopped")


class Loops:
    """Everything that intake does by itself: fetch, process, relay, sweep, discard, let go what is over."""

    def __init__(
        self,
        db: Database,
        media: Media,
        notify: Notify,
        hosts: RecordingHosts,
        settings: IntakeSettings,
        clock: Clock,
        rng: random.Random,
        bell: Bell,
        metrics: IntakeMetrics,
    ) -> None:
        """`bell` rings whenever something was committed that may be work."""
        self._db = db
        self._bell = bell
        self._metrics = metrics
        self._is_watched = bool(settings.intake_metrics_listen)
        self._standing = Standing(db, metrics, clock)
        self._clock = clock
        self._rng = rng
        lease = timedelta(seconds=settings.lease_s)

        def loop(
            name: str, queue: WorkQueue, handle: Callable[[Claim], Awaitable[None]], concurrency: int
        ) -> WorkLoop[Claim]:
            return WorkLoop(
                name, queue, handle, concurrency=concurrency, lease=lease, clock=clock, rng=rng, ended=metrics.ended
            )

        self._wake_ups = WakeUps(db, self._look)
        self._calls_erased, self._objects_erased = asyncio.Event(), asyncio.Event()
        self._discarding = Discarding(db, media, notify, clock)
        self._retaining = Retaining(db, notify, clock, settings.retention, self.erased)
        to_fetch = WorkQueue(db, CALL_WORK, stage=FETCH, clock=clock, let_go=discard_let_go)
        to_process = WorkQueue(db, CALL_WORK, stage=PROCESS, clock=clock, let_go=discard_let_go)
        to_relay = WorkQueue(db, OUTBOX_WORK, stage=0, clock=clock)
        fetching = Fetching(db, media, hosts, settings.retries, clock, self.wake, metrics)
        processing = Processing(db, media, clock, self.wake, metrics)
        self._loops = [
            loop("fetch", to_fetch, fetching.fetch_call, settings.fetches),
            loop("process", to_process, processing.process_call, settings.processes),
            loop("relay", to_relay, Relay(db, notify, clock).relay_call, settings.relays),
        ]

    def stored(self, may_be_work: bool) -> None:
        """Calls were stored, with or without something to do for the loops: those without would have each of them look in vain."""
        if may_be_work:
            self.wake()
        else:
            self._bell.ring()
            self._wake_ups.tell()

    def wake(self) -> None:
        """Something was committed that may be work for any of them, here or in another process."""
        self._look()
        self._wake_ups.tell()

    def _look(self) -> None:
        for loop in self._loops:
            loop.wake()
        self._bell.ring()

    def erased(self) -> None:
        """Calls were erased: there may be objects to delete, and something for notify to forget."""
        self._calls_erased.set()
        self._objects_erased.set()
        self._bell.ring()
        self._wake_ups.tell()

    def stop(self) -> None:
        """Takes no more work."""
        for loop in self._loops:
            loop.stop()

    async def run(self) -> None:
        """Works until stopped; cancelling gives back what is held."""
        async with asyncio.TaskGroup() as group:
            upkeep = [
                group.create_task(sweep_until_cancelled(self._sweep, self._loops, self._look, self._rng)),
                group.create_task(self._wake_ups.run_until_cancelled()),
            ]
            upkeep += [
                group.create_task(repeat_until_cancelled(step, self._rng, asked))
                for step, asked in (
                    (self._discarding.discard_objects, self._objects_erased),
                    (self._discarding.erase_in_notify, self._calls_erased),
                    (self._discarding.forget_changes, asyncio.Event()),
                    (self._retaining.retain_audio, asyncio.Event()),
                    (self._retaining.retain_calls, asyncio.Event()),
                    (self._retaining.forget_ext_ids, asyncio.Event()),
                    (OneTimeLinks(self._db, self._clock).forget_links, asyncio.Event()),
                )
            ]
            if self._is_watched:
                upkeep += [
                    group.create_task(repeat_until_cancelled(look, self._rng, asyncio.Event(), LOOKED_AT_EVERY))
                    for look in (self._standing.look_at_queues, self._standing.look_at_storage)
                ]
            await asyncio.wait([group.create_task(loop.run()) for loop in self._loops])
            for task in upkeep:
                task.cancel()

    async def _sweep(self) -> None:
        swept = await self._db.write(sweep_all_work, self._clock.now())
        self._metrics.expired(swept.expired)
        for call_session_id in swept.given_up:
            log.error("call.given_up", call_session_id=call_session_id)


def _listeners(
    db: Database,
    notify: Notify,
    hosts: RecordingHosts,
    settings: IntakeSettings,
    clock: Clock,
    loops: Loops,
    watching: Watching,
    metrics: IntakeMetrics,
    tls: PeerTls | None,
) -> tuple[Listener, Listener]:
    accounts = Accounts(db, notify, clock)
    uploads = Uploads(
        db,
        clock,
        max_calls=settings.max_calls_per_request,
        webhooks=settings.webhooks,
        stored=loops.stored,
        uploaded=metrics.uploaded,
    )
    readback = Readback(db)
    quota = Quota(db, clock)
    authenticate = IdentityCache(accounts.authenticate, clock).authenticate
    admit = identity_guard(authenticate, ROLES, COMPONENTS, sessions_of(settings.session_key, clock))
    unchecked = {f"/{_CALLS}/UploadCalls", f"/{_JSON}/UploadCallsJson", f"/{_JSON}/CallJsonRpc"}
    public = Listener(
        (_CALLS, _ACCOUNT, _DIRECTORY, _JSON),
        [admit],
        check_rules(except_methods=unchecked),
        is_public=True,
        meter=metered(quota, COSTS, current_identity),
        # What the front door lets through to the JSON doors, and the same for gRPC.
        max_request_bytes=settings.max_request_bytes * FRONT_DOOR_ROOM + ENVELOPE_BYTES,
        tls=tls,
    )
    call_service_pb2_grpc.add_CallServiceServicer_to_server(
        CallServicer(
            uploads,
            readback,
            Changes(db, clock, loops.wake),
            Erasing(db, clock, loops.erased),
            watching,
            admit,
        ),
        public.server,
    )
    account_service_pb2_grpc.add_AccountServiceServicer_to_server(AccountServicer(accounts, hosts), public.server)
    entries = DirectoryEntries(db)
    directory_service_pb2_grpc.add_DirectoryServiceServicer_to_server(DirectoryServicer(entries), public.server)
    json_door_service_pb2_grpc.add_JsonDoorServiceServicer_to_server(
        JsonDoorServicer(
            JsonRpcMethods(db, uploads, entries, quota, authenticate), uploads, settings.max_request_bytes
        ),
        public.server,
    )
    internal = Listener(_INTERNAL, internal_guards(settings.internal_key, tls, CALLERS), check_rules(), tls=tls)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(AdminServicer(accounts), internal.server)
    identity_service_pb2_grpc.add_IdentityServiceServicer_to_server(IdentityServicer(accounts), internal.server)
    one_time_link_service_pb2_grpc.add_OneTimeLinkServiceServicer_to_server(
        OneTimeLinkServicer(OneTimeLinks(db, clock)), internal.server
    )
    points_service_pb2_grpc.add_PointsServiceServicer_to_server(PointsServicer(quota), internal.server)
    recording_index_service_pb2_grpc.add_RecordingIndexServiceServicer_to_server(
        RecordingIndexServicer(readback, accounts, HandingOver(db, clock), hosts), internal.server
    )
    return public, internal
