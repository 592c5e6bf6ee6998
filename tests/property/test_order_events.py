"""The event of a new order, which the gateway makes of parts, is the one its schema would make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.types import Side
from services.gateway.app.orders import Submission, submitted_event
from tests.property.market_world import MARKET, order_id
from tests.property.test_order_lives import demand_terms, offer_terms

if TYPE_CHECKING:
    from schemas.orders import DemandTerms, OfferTerms

PARTICIPANTS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?", fullmatch=True)


def same(
    side: Side,
    model: type[events.OfferSubmitted | events.DemandSubmitted],
    participant_id: str,
    terms: OfferTerms | DemandTerms,
) -> None:
    """Check the event made of parts against the one made, and read back, by its schema."""
    id_ = order_id("off" if side is Side.OFFER else "dem", 1)
    wanted = Submission("key", MARKET.id, terms)
    data, body = submitted_event(side, id_, participant_id, wanted)
    made = model.model_validate(
        {
            "order_id": id_,
            "market_id": MARKET.id,
            "participant_id": participant_id,
            "terms": terms,
        }
    )
    assert body == made.model_dump_json()
    assert data == made == model.model_validate_json(body)


@given(participant_id=PARTICIPANTS, terms=offer_terms())
def test_the_event_of_an_offer_has_the_bytes_that_its_schema_writes(
    participant_id: str, terms: OfferTerms
) -> None:
    same(Side.OFFER, events.OfferSubmitted, participant_id, terms)


@given(participant_id=PARTICIPANTS, terms=demand_terms())
def test_the_event_of_a_demand_has_the_bytes_that_its_schema_writes(
    participant_id: str, terms: DemandTerms
) -> None:
    same(Side.DEMAND, events.DemandSubmitted, participant_id, terms)
