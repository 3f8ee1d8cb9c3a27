"""One-time links that were used: the primary key decides who was first."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from services.intake.one_time_link import KEEP, MOST_OF_ACCOUNT, check_room, is_near
from services.intake.store.tables import UsedLinkRow
from services.shared.db.tables import insert_missing, table_of
from services.shared.identity import AccountId

_links = table_of(UsedLinkRow)


def take_link(
    connection: Connection, link_id: bytes, account_id: AccountId, expire_time: datetime, request_id: str, now: datetime
) -> bool:
    """Whether this is the first use of a link, or a repeat of the request that was. Raises Refusal limit_exceeded."""
    if not is_near(expire_time, now):
        return False
    used = {"link_id": link_id, "account_id": account_id, "request_id": request_id, "forget_time": expire_time + KEEP}
    if not insert_missing(connection, _links, [used]):
        # Whoever met another's use has waited for its end: there is a row.
        first = connection.execute(select(_links.c.request_id).where(_links.c.link_id == link_id)).scalar()
        return first == request_id
    some = select(_links.c.link_id).where(_links.c.account_id == account_id).limit(MOST_OF_ACCOUNT + 1)
    check_room(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())
    return True


def forget_links(connection: Connection, now: datetime, most: int) -> int:
    """Lets up to so many used links go whose time is over. Answers how many."""
    over = select(_links.c.link_id).where(_links.c.forget_time <= now).order_by(_links.c.forget_time).limit(most)
    found = connection.execute(over).scalars().all()
    if found:
        connection.execute(delete(_links).where(_links.c.link_id.in_(found)))
    return len(found)
