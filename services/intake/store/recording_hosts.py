"""Recording hosts: what is kept, sealed, for each host of an account."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from services.intake.recording_host import MOST_HOSTS, RecordingHost
from services.intake.store.tables import RecordingHostRow
from services.shared.db.locks import Lock, take
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal
from services.shared.host_port import HostPort
from services.shared.identity import AccountId

_hosts = table_of(RecordingHostRow)


def set_host(
    connection: Connection, account_id: AccountId, at: HostPort, header_name: str, sealed_value: str, now: datetime
) -> RecordingHost:
    """Keeps what a host wants to see, in place of what was kept. Raises Refusal for more hosts than an account may have."""
    take(connection, Lock.ACCOUNT, account_id)
    remove_host(connection, account_id, at)
    count = connection.execute(
        select(func.count()).select_from(_hosts).where(_hosts.c.account_id == account_id)
    ).scalar_one()
    if count >= MOST_HOSTS:
        why = f"the account has {count} recording hosts, at most {MOST_HOSTS} are kept"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("host",), value=str(at), why=why)
    values = {"header_name": header_name, "sealed_value": sealed_value, "set_time": now}
    connection.execute(insert(_hosts).values(account_id=account_id, host=at.host, port=at.port, **values))
    return RecordingHost(at=at, header_name=header_name, set_time=now)


def list_hosts(connection: Connection, account_id: AccountId) -> list[RecordingHost]:
    """The account's hosts, by name."""
    wanted = select(_hosts).where(_hosts.c.account_id == account_id).order_by(_hosts.c.host, _hosts.c.port)
    return [
        RecordingHost(at=HostPort(row.host, row.port), header_name=row.header_name, set_time=row.set_time)
        for row in connection.execute(wanted)
    ]


def remove_host(connection: Connection, account_id: AccountId, at: HostPort) -> None:
    """Forgets what was kept for a host, if anything was."""
    connection.execute(
        delete(_hosts).where(_hosts.c.account_id == account_id, _hosts.c.host == at.host, _hosts.c.port == at.port)
    )


def find_sealed(connection: Connection, account_id: AccountId, at: HostPort) -> tuple[str, str] | None:
    """Header name and sealed value for a host."""
    row = connection.execute(
        select(_hosts.c.header_name, _hosts.c.sealed_value).where(
            _hosts.c.account_id == account_id, _hosts.c.host == at.host, _hosts.c.port == at.port
        )
    ).first()
    return None if row is None else (row.header_name, row.sealed_value)


def any_sealed(connection: Connection) -> tuple[AccountId, HostPort, str] | None:
    """Any sealed value, with whose it is, to try the key on."""
    row = connection.execute(select(_hosts).limit(1)).first()
    return None if row is None else (AccountId(row.account_id), HostPort(row.host, row.port), row.sealed_value)
