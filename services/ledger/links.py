"""Links of a round: what demands pay for them goes out of escrow when the round is booked.

Room on a link is reserved by the round and used whatever is delivered, so it is paid at once and
not given back. Of each GB's price the tariff goes to those who run the market's links, the rest,
which is there only where a link is full, to an account of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.events import RoundClosed
from services.core.errors import Message
from services.core.postings import TransferKind, derive_uuid
from services.ledger.findings import broken
from services.ledger.state import About, escrow_account, links_account, rents_account

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.codec import Envelope
    from schemas.links import LinkCharged
    from services.ledger.books import Books


def check_charge(books: Books, body: LinkCharged, allocated: Mapping[str, int]) -> None:
    """Check one charge by itself.

    Args:
        books: The working copy.
        body: The charge.
        allocated: Demands that the round allocated to.

    Raises:
        SettleError: if it is not GB x price, or its demand got nothing or is another's.
    """
    payment = sum(item.gb * item.price for item in body.periods)
    if payment != body.payment or any(item.price < body.tariff for item in body.periods):
        raise broken(
            "settle.link_payment",
            Message(
                f"payment for {body.source}>{body.destination} must be GB x price ({payment}), "
                f"no price below the tariff {body.tariff}, was {body.payment}",
                f"链路 {body.source}>{body.destination} 的付款应为 GB×价格({payment}),"
                f"且价格不低于资费 {body.tariff},实际为 {body.payment}",
            ),
            "payment",
            body.payment,
            str(payment),
        )
    demand = books.demands.get(body.demand_id)
    known = demand is not None and demand.participant_id == body.enterprise_id
    if not known or body.demand_id not in allocated:
        raise broken(
            "settle.link_demand",
            Message(
                f"a link must be charged to a demand that the round allocated to and its "
                f"enterprise, was {body.demand_id} and {body.enterprise_id}",
                f"链路费只能向本轮成交需求的企业收取,实际为 {body.demand_id}、{body.enterprise_id}",
            ),
            "demand_id",
            body.demand_id,
            "a demand with an allocation",
        )


def pay_links(books: Books, envelope: Envelope, charges: Iterable[LinkCharged]) -> None:
    """Pay tariffs and rents out of escrow, one entry each for a demand.

    Args:
        books: The working copy, in which the holds are captured.
        envelope: The round's last record.
        charges: What demands pay for links.
    """
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    tariffs: dict[str, int] = defaultdict(int)
    rents: dict[str, int] = defaultdict(int)
    for body in charges:
        for item in body.periods:
            tariffs[body.demand_id] += item.gb * body.tariff
            rents[body.demand_id] += item.gb * (item.price - body.tariff)
    market = closed.market_id
    for purpose, account, amounts in (
        ("link_tariff", links_account(market), tariffs),
        ("link_rent", rents_account(market), rents),
    ):
        for demand_id, amount in sorted(amounts.items()):
            if amount:
                transfer_id = derive_uuid(purpose, demand_id, closed.round_id)
                books.transfer(
                    TransferKind.SINGLE,
                    (transfer_id, escrow_account(market), account),
                    amount,
                    envelope,
                    purpose,
                    about=About(market, closed.round_id, demand_id),
                )
