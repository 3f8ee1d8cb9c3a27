"""Recording hosts that want to see something: kept sealed, opened for one download at a time."""

from services.intake.recording_host import HostCredential, RecordingHost, RequestHeader, host_of, read_host
from services.intake.store.recording_hosts import any_sealed, find_sealed, list_hosts, remove_host, set_host
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.host_port import HostPort
from services.shared.identity import AccountId
from services.shared.sealing import Sealer


class RecordingHosts:
    """What accounts keep for their recording hosts."""

    def __init__(self, db: Database, sealer: Sealer, clock: Clock) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock

    async def check_key(self) -> None:
        """At the start: raises CannotUnseal when what is kept was sealed with another key, before a download needs it."""
        found = await self._db.read(any_sealed)
        if found is not None:
            account_id, at, sealed = found
            self._sealer.unseal(sealed, _purpose(account_id, at))

    async def set(self, account_id: AccountId, host: str, header: RequestHeader) -> RecordingHost:
        """Keeps a header for a host, in place of what was kept. Raises Refusal."""
        at = read_host(host)
        sealed = self._sealer.seal(header.value, _purpose(account_id, at))
        return await self._db.write(set_host, account_id, at, header.name, sealed, self._clock.now())

    async def list_all(self, account_id: AccountId) -> list[RecordingHost]:
        """The account's hosts, by name."""
        return await self._db.read(list_hosts, account_id)

    async def remove(self, account_id: AccountId, host: str) -> None:
        """Forgets a host. Raises Refusal for what is no host."""
        await self._db.write(remove_host, account_id, read_host(host))

    async def credential_for(self, account_id: AccountId, url: str) -> HostCredential | None:
        """What the host of a link wants to see from this account. Raises CannotUnseal."""
        at = host_of(url)
        if at is None:
            return None
        found = await self._db.read(find_sealed, account_id, at)
        if found is None:
            return None
        name, sealed = found
        return HostCredential(at, RequestHeader(name, self._sealer.unseal(sealed, _purpose(account_id, at))))


def _purpose(account_id: AccountId, at: HostPort) -> str:
    return f"credential of account {account_id} for {at.host}:{at.port}"
