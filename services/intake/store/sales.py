"""Sales that came of calls."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from services.intake.store.tables import CallRow, CallTagRow, SaleRow, TagRow
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_call_tags = table_of(CallTagRow)
_sales = table_of(SaleRow)
_tags = table_of(TagRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSale:
    """A sale to be stored."""

    call_session_id: int
    sale_time: datetime
    transaction_value: float
    comment: str


def add_sale(connection: Connection, account_id: AccountId, sale: NewSale) -> int:
    """Stores a sale, and gives the call the account's system tag for sales. Raises Refusal when the account has no such call, or the sale came before it."""
    call = connection.execute(
        select(_calls.c.start_time)
        .where(_calls.c.account_id == account_id, _calls.c.call_session_id == sale.call_session_id)
        .with_for_update()
    ).first()
    if call is None:
        raise Refusal(Mnemonic.ENTITY_NOT_FOUND, path=("communication_id",), value=sale.call_session_id)
    if sale.sale_time < call.start_time:
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("date_time",), why="the sale came before the call")
    values = {
        "account_id": account_id,
        "call_session_id": sale.call_session_id,
        "sale_time": sale.sale_time,
        "transaction_value": sale.transaction_value,
        "comment": sale.comment,
    }
    sale_id: int = connection.execute(insert(_sales).values(values).returning(_sales.c.sale_id)).scalar_one()
    _tag(connection, account_id, sale.call_session_id)
    return sale_id


def _tag(connection: Connection, account_id: AccountId, call_session_id: int) -> None:
    tag_id = connection.execute(
        select(_tags.c.tag_id).where(_tags.c.account_id == account_id, _tags.c.is_system)
    ).scalar()
    mine = _call_tags.c.call_session_id == call_session_id
    tagged = connection.execute(select(_call_tags.c.tag_id).where(mine, _call_tags.c.tag_id == tag_id)).first()
    if tag_id is not None and tagged is None:
        last = connection.execute(select(func.max(_call_tags.c.position)).where(mine)).scalar()
        position = 0 if last is None else last + 1
        connection.execute(insert(_call_tags).values(call_session_id=call_session_id, position=position, tag_id=tag_id))
