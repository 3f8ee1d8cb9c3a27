"""notify, put together: database, doors, the delivery loop, and a stop that finishes what runs."""

import asyncio
import random
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from calldock.notify.internal.v1 import delivery_service_pb2_grpc
from calldock.notify.v1 import notification_service_pb2_grpc, webhook_service_pb2_grpc

from services.notify.deliver import Deliveries, DueQueue, Posting
from services.notify.enqueue import Enqueueing
from services.notify.metrics import NotifyMetrics
from services.notify.peers import Intake
from services.notify.posters import HANDED_OUT, Posters
from services.notify.readback import Readback
from services.notify.redeliver import Redelivery
from services.notify.secrets import Secrets
from services.notify.servicer import DeliveryServicer, NotificationServicer, WebhookServicer
from services.notify.settings import NotifySettings
from services.notify.store.claims import DueClaim
from services.notify.store.tables import NOTIFY_WORK
from services.notify.trial import Trials
from services.notify.upkeep import Upkeep
from services.shared.clock import Clock, SystemClock
from services.shared.db.answering import answers
from services.shared.db.database import Database
from services.shared.db.database_clock import clock_of, keep_right_until_cancelled
from services.shared.db.opening import open_database
from services.shared.db.wake_ups import WakeUps
from services.shared.egress import EgressGuard, trusting
from services.shared.errors import CannotRun
from services.shared.identity import Role
from services.shared.metrics import serve_metrics
from services.shared.quota import metered
from services.shared.rpc.identity import IdentityCache, current_identity, identity_guard, internal_guards, sessions_of
from services.shared.rpc.serve import Listener, follow_readiness_until_cancelled, until_stopped
from services.shared.rpc.tls import PeerTls, opened_tls
from services.shared.rpc.validate import check_rules
from services.shared.sealing import Sealer, read_key
from services.shared.work import WorkLoop, sweep_until_cancelled

log = structlog.get_logger()

AHEAD = 256
"""Claimed beyond what is posted: so much goes to a fast receiver while the next claim is under way."""
MARGIN_S = 5.0
"""Beyond a receiver's time, for what was posted to be answered and settled at a stop."""
MIGRATIONS = Path(__file__).parent / "migrations"

_NOTIFICATIONS = "calldock.notify.v1.NotificationService"
_WEBHOOKS = "calldock.notify.v1.WebhookService"
_DELIVERY = "calldock.notify.internal.v1.DeliveryService"

ROLES = {
    f"/{_NOTIFICATIONS}/ListNotifications": Role.READ,
    f"/{_NOTIFICATIONS}/GetNotification": Role.READ,
    f"/{_NOTIFICATIONS}/RedeliverNotification": Role.UPLOAD,
    f"/{_NOTIFICATIONS}/RedeliverBuried": Role.UPLOAD,
    f"/{_NOTIFICATIONS}/SendTestNotification": Role.UPLOAD,
    f"/{_NOTIFICATIONS}/ListReceivers": Role.READ,
    f"/{_WEBHOOKS}/ListSigningSecrets": Role.ADMIN,
    f"/{_WEBHOOKS}/RotateSigningSecret": Role.ADMIN,
    f"/{_WEBHOOKS}/ListCustomHeaders": Role.ADMIN,
    f"/{_WEBHOOKS}/SetCustomHeaders": Role.ADMIN,
    f"/{_WEBHOOKS}/DeleteCustomHeaders": Role.ADMIN,
}
COSTS = dict.fromkeys(ROLES, 1)
"""Points of each method (docs/contract.md 8)."""


CALLERS = {_DELIVERY: frozenset({"intake"})}
"""Which processes each internal service is for."""


async def serve(settings: NotifySettings) -> None:
    """Runs notify until SIGTERM. Raises CannotRun when it cannot: another process owns the database, the key is not the one that its secrets were sealed with, a file cannot be read; OSError when an address is taken."""
    tls = opened_tls(settings.peer_tls, "notify")
    rng = random.Random()
    _check_trust(settings)
    sealer = Sealer(read_key(settings.secret_key.get_secret_value()))
    guard = EgressGuard(settings.webhooks)
    posters = Posters(settings.notify_posters, settings.poster)
    intake = Intake(settings.intake_address, settings.internal_key, tls)
    metrics = NotifyMetrics()
    db = await open_database(settings, "notify", MIGRATIONS)
    stop_metrics = serve_metrics(settings.notify_metrics_listen, metrics.registry)
    try:
        clock = await clock_of(db)
        if not db.is_shared:
            await db.write(NOTIFY_WORK.free_all, clock.now())
        secrets = Secrets(db, sealer, clock)
        await secrets.check_key()
        posting = Posting(posters, secrets, clock)
        deliveries = _deliveries(db, posting, settings, clock, rng, metrics)
        loop = _loop(db, deliveries, settings, clock, rng, metrics)
        wake_ups = WakeUps(db, loop.wake)

        def stored() -> None:
            loop.wake()
            wake_ups.tell()

        public, internal = _listeners(
            NotificationServicer(Readback(db), Redelivery(db, clock, stored), Trials(db, guard, posting, clock)),
            WebhookServicer(secrets),
            DeliveryServicer(Enqueueing(db, clock, stored), secrets),
            intake,
            settings,
            tls,
        )
        await internal.start(settings.internal_addresses)
        await public.start(settings.public_addresses)
        await public.start_health(settings.health_listen)
        log.info("notify.started", public=settings.public_listen)
        upkeep = Upkeep(
            db,
            clock,
            metrics,
            schedule_s=settings.retry_schedule_s,
            keep=timedelta(seconds=settings.notify_keep_s),
        )
        async with asyncio.TaskGroup() as group:
            posting_processes = group.create_task(posters.run())
            sweeping = group.create_task(sweep_until_cancelled(upkeep.sweep, [loop], loop.wake, rng))
            hearing = group.create_task(wake_ups.run_until_cancelled())
            following = group.create_task(follow_readiness_until_cancelled((public, internal), partial(answers, db)))
            keeping = group.create_task(keep_right_until_cancelled(clock))
            await _deliver_until_stopped(loop, deliveries, posters, public, settings)
            keeping.cancel()
            sweeping.cancel()
            hearing.cancel()
            following.cancel()
            posting_processes.cancel()
        await internal.drain(settings.drain_s)
    finally:
        await intake.close()
        stop_metrics()
        await db.stop()
        log.info("notify.stopped")


def _deliveries(
    db: Database, posting: Posting, settings: NotifySettings, clock: Clock, rng: random.Random, metrics: NotifyMetrics
) -> Deliveries:
    return Deliveries(
        db,
        posting,
        clock,
        rng,
        schedule_s=settings.retry_schedule_s,
        breaker=settings.breaker,
        attempted=metrics.attempted,
    )


def _loop(
    db: Database,
    deliveries: Deliveries,
    settings: NotifySettings,
    clock: Clock,
    rng: random.Random,
    metrics: NotifyMetrics,
) -> WorkLoop[DueClaim]:
    return WorkLoop(
        "deliver",
        DueQueue(db, settings.post_limits, clock, lambda: deliveries.settling),
        deliveries.deliver_next,
        concurrency=HANDED_OUT * settings.notify_posts,
        lease=timedelta(seconds=settings.lease_s),
        clock=clock,
        rng=rng,
        ahead=AHEAD,
        ended=metrics.ended,
    )


async def _deliver_until_stopped(
    loop: WorkLoop[DueClaim], deliveries: Deliveries, posters: Posters, public: Listener, settings: NotifySettings
) -> None:
    """Delivers until SIGTERM; then lets every exchange that has begun come to its end, begins no other, and settles all of them."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(loop.run())
        group.create_task(deliveries.settle_until_stopped(loop.wake))
        await until_stopped()
        loop.stop()
        posters.stop()
        # Each exchange ends within a receiver's time: one that were cut would be made again.
        longest_s = max(settings.drain_s, settings.notify_timeout_s + MARGIN_S)
        await asyncio.gather(
            public.drain(settings.drain_s, settings.drain_notice_s), asyncio.wait([running], timeout=longest_s)
        )
        running.cancel()
        await asyncio.wait([running])
        deliveries.stop()


def _check_trust(settings: NotifySettings) -> None:
    """Raises CannotRun for a file of authorities that the processes that post could not read."""
    try:
        trusting(settings.egress_ca_file)
    except (OSError, ValueError) as error:
        raise CannotRun(f"CALLDOCK_EGRESS_CA_FILE {settings.egress_ca_file} cannot be used: {error}") from error


def _listeners(
    notifications: NotificationServicer,
    webhooks: WebhookServicer,
    delivery: DeliveryServicer,
    intake: Intake,
    settings: NotifySettings,
    tls: PeerTls | None,
) -> tuple[Listener, Listener]:
    authenticate = IdentityCache(intake.callers.authenticate, SystemClock()).authenticate
    public = Listener(
        (_NOTIFICATIONS, _WEBHOOKS),
        [identity_guard(authenticate, ROLES, sessions=sessions_of(settings.session_key, SystemClock()))],
        check_rules(),
        is_public=True,
        meter=metered(intake.callers, COSTS, current_identity),
        tls=tls,
    )
    notification_service_pb2_grpc.add_NotificationServiceServicer_to_server(notifications, public.server)
    webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server(webhooks, public.server)
    internal = Listener((_DELIVERY,), internal_guards(settings.internal_key, tls, CALLERS), check_rules(), tls=tls)
    delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server(delivery, internal.server)
    return public, internal
