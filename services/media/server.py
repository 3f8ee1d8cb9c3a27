"""media, put together: doors, downloads, workers, and a stop that finishes what runs."""

import shutil
from datetime import timedelta
from pathlib import Path

import structlog
from aiohttp import web
from calldock.media.internal.v1 import processing_service_pb2_grpc
from calldock.media.v1 import recording_service_pb2_grpc

from services.media.app_door import AppDoor, origin_of
from services.media.check import Checking, Limits
from services.media.download import Downloader
from services.media.examine import warm_up
from services.media.fetch import Fetching
from services.media.hand_over import HandingOver
from services.media.http_edge import HttpEdge
from services.media.listen import LinkMaker, Listening
from services.media.listeners import Listeners
from services.media.metrics import MediaMetrics
from services.media.peers import Intake
from services.media.playback_door import PlaybackDoor
from services.media.process import Processing
from services.media.room import DownloadRoom
from services.media.sandbox import Sandbox
from services.media.servicer import ProcessingServicer, RecordingServicer
from services.media.settings import MediaSettings
from services.shared.addresses import AddressPolicy
from services.shared.clock import SystemClock
from services.shared.egress import EgressGuard, trusting
from services.shared.errors import CannotRun
from services.shared.identity import Role
from services.shared.metrics import serve_metrics
from services.shared.objects import ObjectStore, open_store
from services.shared.places import Places
from services.shared.quota import metered
from services.shared.rpc.identity import IdentityCache, current_identity, identity_guard, internal_guards, sessions_of
from services.shared.rpc.serve import Listener, until_stopped
from services.shared.rpc.tls import PeerTls, opened_tls
from services.shared.rpc.validate import check_rules
from services.shared.sealing import derived_key, read_key

log = structlog.get_logger()

WAITING_PER_WORKER = 4
"""Recordings that may wait for each worker before media says that it has no room."""

_RECORDINGS = "calldock.media.v1.RecordingService"
_PROCESSING = "calldock.media.internal.v1.ProcessingService"

APP_FILES = Path(__file__).with_name("app")
"""What `make web` built of web/."""

CHECK_POINTS = 5
CHECKS_OF_ACCOUNT = 2
PUTS_OF_ACCOUNT = 4
"""Files of one account that are checked, or handed over, at once."""

ROLES = {
    f"/{_RECORDINGS}/GetRecordingAudio": Role.READ,
    f"/{_RECORDINGS}/GetRecordingSource": Role.READ,
    f"/{_RECORDINGS}/CreatePlaybackLink": Role.READ,
    f"/{_RECORDINGS}/PutRecording": Role.UPLOAD,
    f"/{_RECORDINGS}/CheckRecording": Role.UPLOAD,
    f"/{_RECORDINGS}/CheckFile": Role.UPLOAD,
}
COSTS = {
    f"/{_RECORDINGS}/GetRecordingAudio": 1,
    f"/{_RECORDINGS}/GetRecordingSource": 1,
    f"/{_RECORDINGS}/CreatePlaybackLink": 1,
    f"/{_RECORDINGS}/PutRecording": 1,
    f"/{_RECORDINGS}/CheckRecording": CHECK_POINTS,
    f"/{_RECORDINGS}/CheckFile": CHECK_POINTS,
}
"""Points of each method (docs/contract.md 8)."""


CALLERS = {_PROCESSING: frozenset({"intake"})}
"""Which processes each internal service is for."""


async def serve(settings: MediaSettings) -> None:
    """Runs media until SIGTERM. Raises OSError when an address is taken."""
    tls = opened_tls(settings.peer_tls, "media")
    scratch = _empty_folder(settings.data_dir / "scratch")
    objects = _opened(settings)
    guard = EgressGuard(AddressPolicy(settings.allowed_egress, setting="CALLDOCK_EGRESS_ALLOW_DOWNLOADS"))
    downloader = Downloader(guard, trusting(settings.egress_ca_file), settings.media_download_timeout_s)
    room = DownloadRoom(
        files=settings.media_downloads,
        files_per_host=settings.media_downloads_per_host,
        size_bytes=settings.media_download_bytes,
    )
    sandbox = Sandbox(settings.media_workers, settings.media_decode_timeout_s, warm_up)
    metrics = MediaMetrics()
    stop_metrics = serve_metrics(settings.media_metrics_listen, metrics.registry)
    intake = Intake(settings.intake_address, settings.internal_key, tls)
    try:
        authenticate = IdentityCache(intake.callers.authenticate, SystemClock()).authenticate
        checking = _checking(intake, downloader, sandbox, scratch, room, settings)
        puts = Places("recordings handed over", of_account=PUTS_OF_ACCOUNT, most=settings.media_puts)
        handing_over = HandingOver(intake, objects, scratch, puts, settings.media_upload_timeout_s)
        sessions = sessions_of(settings.session_key, SystemClock())
        public = Listener(
            (_RECORDINGS,),
            [identity_guard(authenticate, ROLES, sessions=sessions)],
            check_rules(),
            is_public=True,
            meter=metered(intake.callers, COSTS, current_identity),
            tls=tls,
            stream_idle_s=settings.media_listener_idle_s,
        )
        listeners = Listeners(settings.listening)
        links_key = _links_key(settings)
        links = LinkMaker(intake, links_key, timedelta(seconds=settings.playback_link_s), SystemClock())
        recording_service_pb2_grpc.add_RecordingServiceServicer_to_server(
            RecordingServicer(Listening(intake, objects), listeners, links, handing_over, checking), public.server
        )
        internal = Listener(
            (_PROCESSING,), internal_guards(settings.internal_key, tls, CALLERS), check_rules(), tls=tls
        )
        fetching = Fetching(downloader, objects, scratch, room, metrics)
        processing_service_pb2_grpc.add_ProcessingServiceServicer_to_server(
            ProcessingServicer(fetching, _processing(sandbox, objects, metrics, settings), objects), internal.server
        )
        door = AppDoor(APP_FILES, origin_of(objects), authenticate, intake.take_link, sessions) if sessions else None
        edge = _edge(_playback(intake, objects, listeners, links_key, settings), door, settings, tls)
        await internal.start(settings.internal_addresses)
        await public.start(settings.public_addresses)
        await public.start_health(settings.health_listen)
        if settings.http_listen:
            await edge.start(settings.http_listen)
        log.info("media.started", public=settings.public_listen)
        await until_stopped()
        await public.drain(settings.drain_s, settings.drain_notice_s)
        await edge.drain()
        await internal.drain(settings.drain_s)
    finally:
        await intake.close()
        stop_metrics()
        sandbox.close()
        log.info("media.stopped")


def _opened(settings: MediaSettings) -> ObjectStore:
    try:
        return open_store(settings.storage)
    except ValueError as error:
        raise CannotRun(str(error)) from error


def _checking(
    intake: Intake, downloader: Downloader, sandbox: Sandbox, scratch: Path, room: DownloadRoom, settings: MediaSettings
) -> Checking:
    limits = Limits(examined=settings.media_workers, upload_timeout_s=settings.media_upload_timeout_s)
    checks = Places("checks of recordings", of_account=CHECKS_OF_ACCOUNT, most=settings.media_checks)
    return Checking(intake, downloader, sandbox, scratch, room, checks, limits)


def _processing(sandbox: Sandbox, objects: ObjectStore, metrics: MediaMetrics, settings: MediaSettings) -> Processing:
    return Processing(
        sandbox,
        objects,
        metrics,
        most=settings.media_workers * WAITING_PER_WORKER,
        bit_rate_kbps=settings.media_mp3_kbps,
    )


def _playback(
    intake: Intake, objects: ObjectStore, listeners: Listeners, links_key: bytes | None, settings: MediaSettings
) -> PlaybackDoor | None:
    if links_key is None:
        return None
    return PlaybackDoor(intake, objects, listeners, links_key, SystemClock(), redirects=settings.playback_redirects)


def _edge(
    playback: PlaybackDoor | None, door: AppDoor | None, settings: MediaSettings, tls: PeerTls | None
) -> HttpEdge:
    app = web.Application()
    if playback is not None:
        playback.add_routes(app)
    if door is not None:
        door.add_routes(app)
    return HttpEdge(app, settings.drain_s, tls)


def _links_key(settings: MediaSettings) -> bytes | None:
    """The key of playback links, where there is an edge to serve them."""
    if settings.edge_key is None or not settings.http_listen:
        return None
    return derived_key(read_key(settings.edge_key.get_secret_value()), "playback links")


def _empty_folder(folder: Path) -> Path:
    """What a killed process left half downloaded is of no use to anybody."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder
