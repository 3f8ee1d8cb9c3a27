"""A test of a receiver: one POST that tells of no call, and what came of it."""

import asyncio
import os

from yarl import URL

from services.notify.deliver import Posting
from services.notify.notification import AttemptOutcome, NotificationStatus, receiver_host
from services.notify.payload import Event, payload
from services.notify.store.reading import StoredNotification, add_test, find_notification
from services.notify.store.tables import NotificationRow
from services.shared.addresses import AddressRefused
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.egress import EgressGuard
from services.shared.errors import Busy, Mnemonic, Refusal, Trouble
from services.shared.identity import AccountId
from services.shared.ids import uuid7
from services.shared.places import Places

EXT_ID = "calldock-test"
AT_ONCE = 2
LOOK_UP_S = 5.0


class Trials:
    """Tests of receivers, two of an account at once."""

    def __init__(self, db: Database, guard: EgressGuard, posting: Posting, clock: Clock) -> None:
        self._db = db
        self._guard = guard
        self._posting = posting
        self._clock = clock
        self._places = Places("tests of receivers", of_account=AT_ONCE)

    async def send(self, account_id: AccountId, url: str, event_name: str) -> StoredNotification:
        """Posts once, keeps it, and answers it with its attempt. Raises Refusal for a link that cannot be posted to, and for a third one at once."""
        with self._places.one(account_id):
            await self._check(url)
            now = self._clock.now()
            event = Event(
                name=event_name,
                ext_id=EXT_ID,
                call_session_id=0,
                event_time=now,
                error_code="internal_error",
                error_message="this is a test",
            )
            row = NotificationRow(
                notification_id=uuid7(now, os.urandom(10)),
                account_id=account_id,
                receiver_id=0,
                call_session_id=0,
                ext_id=EXT_ID,
                seq=0,
                previous_seq=0,
                url=url,
                event=event_name,
                event_time=now,
                body=payload(event),
                status=NotificationStatus.WAITING,
                attempts=1,
                is_test=True,
            )
            attempt = await self._posting.post(account_id, row.notification_id, url, row.body)
            row.end_time = self._clock.now()
            if attempt.outcome is AttemptOutcome.DELIVERED:
                row.status = NotificationStatus.DELIVERED
            else:
                row.status, row.failures = NotificationStatus.BURIED, 1
                row.bury_reason = f"a test goes once: {attempt.reason}"
            await self._db.write(add_test, row, attempt)
        stored = await self._db.read(find_notification, account_id, row.notification_id)
        if stored is None:
            raise Busy("the test was forgotten meanwhile")
        return stored

    async def _check(self, url: str) -> None:
        if not receiver_host(url):
            raise _refused(url, "not a link of scheme http or https")
        try:
            parsed = URL(url)
            async with asyncio.timeout(LOOK_UP_S):
                await self._guard.addresses(parsed.raw_host, parsed.port or 0)
        except AddressRefused as refused:
            raise _refused(url, str(refused)) from refused
        except (OSError, Trouble):
            # No address, or none in time (which is an OSError too): the attempt says so.
            return


def _refused(url: str, why: str) -> Refusal:
    return Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("url",), value=url, why=why)
