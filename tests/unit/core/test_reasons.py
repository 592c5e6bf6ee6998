"""Every reason fits the wire, however large the market is that it speaks of."""

from __future__ import annotations

import pytest

from schemas.market import Market
from schemas.orders import OfferTerms
from services.core.eligibility import validate_offer
from services.core.errors import ValidationError
from services.core.reasons import why_of_error
from services.core.round_events import wire_reason

ZONE = {"region": "hebei", "name_en": "H", "name_zh": "冀", "cloud": "a"}
CHIP = {"name": "T4", "vendor": "NVIDIA", "domestic": False}
MARKET = Market.model_validate(
    {
        "id": "jjj",
        "name_en": "Beijing-Tianjin-Hebei",
        "name_zh": "京津冀",
        "zones": [ZONE | {"id": f"zhangjiakou-data-centre-{number}"} for number in range(64)],
        "chips": [CHIP | {"id": "t4", "memory_gb": 16, "tflops": 65, "lot": 4}],
    }
)
TERMS = OfferTerms.model_validate(
    {
        "zone": "nowhere",
        "chip": "t4",
        "chips": 1,
        "start": "2026-11-24T08:00:00Z",
        "end": "2026-11-24T09:00:00Z",
        "ask": 100,
        "resource_code": "CN.11.0108.BJ01",
    }
)


def test_the_reason_of_an_order_that_names_none_of_64_zones_fits_the_wire() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_offer(TERMS, MARKET, now_period=0)
    reason = wire_reason(why_of_error(caught.value))
    assert reason.params["value"] == "nowhere"
    assert str(reason.params["allowed"]).startswith("one of zhangjiakou-data-centre-0")
