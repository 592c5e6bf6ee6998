"""Forms of orders: what people fill in, the terms that it stands for, and what is wrong with it."""

from __future__ import annotations

import copy
import string
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.events import DeliveredPeriod, Reason
from schemas.market import Market
from schemas.mobilisation import MobilisationScope
from schemas.orders import BlockShape, DemandTerms, OfferTerms
from schemas.types import period_of, period_start
from services.core.eligibility import validate_demand
from services.core.errors import Message, ValidationError
from services.core.surveillance.cases import SENTENCES
from services.gateway.adapters.http import examples
from services.gateway.adapters.pages import deliveries, demand_form, offer_form
from services.gateway.adapters.pages.case_words import FIGURES, measured
from services.gateway.adapters.pages.changes import changes_of
from services.gateway.adapters.pages.fields import hour_text, moved_on
from services.gateway.adapters.pages.names import Names
from services.gateway.adapters.pages.offer_rows import key_of, rows_of, template
from services.gateway.adapters.pages.words import for_people, why

MARKET = Market.model_validate(examples.MARKET)
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
ROW = "bj-1,h800,8,20,2026-11-25 08:00,2026-11-25 12:00,CN.11.0108.BJ01-T4"
HEAD = "zone,chip,chips,ask_yuan,start,end,resource_code"


def demand(**changes: Any) -> DemandTerms:  # noqa: ANN401 - any JSON
    return DemandTerms.model_validate(copy.deepcopy(examples.DEMAND_TERMS) | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shape": {"type": "flow", "chips": 4}, "budget": None},
        {"shape": {"type": "work", "chip_hours": 90, "chips_max": 16}},
        {
            "data_zone": "zjk-1",
            "data_gb": 40,
            "user_zone": "bj-1",
            "latency_ms_max": 5,
            "traffic_gb_per_chip_hour": 2,
            "notice_periods": 3,
            "exclusive_group": "one",
            "linked_to": "dem_" + "a" * 26,
            "resource_code": "CN.11.0108.BJ01-T4",
            "expires_at": "2026-11-25T06:00:00Z",
            "priority": "interruptible",
        },
    ],
)
def test_a_demand_comes_back_from_its_form_as_it_was(changes: dict[str, Any]) -> None:
    terms = demand(**changes)
    assert demand_form.read(demand_form.fields_of(terms, "jingjinji")) == (terms, {})


def test_an_offer_comes_back_from_its_form_as_it_was() -> None:
    more = {"block": True, "mobilisable": True, "mobilisation_price": 15_000_000}
    terms = OfferTerms.model_validate(examples.OFFER_TERMS | more)
    assert offer_form.read(offer_form.fields_of(terms, "jingjinji")) == (terms, {})


def test_what_is_wrong_stands_at_its_field_in_words_of_the_form() -> None:
    fields = demand_form.blank(MARKET, NOW, "h800")
    terms, faults = demand_form.read(fields | {"block_chips": "many", "a0_limit": "¥1,000.5x"})
    assert terms is None
    assert faults["block_chips"].en == "Chips at once: must be a whole number, such as 8, was many"
    assert faults["a0_limit"].zh == "限价：须为金额（元），如 12.50，实为 ¥1,000.5x"
    _, faults = demand_form.read(fields | {"a0_limit": "9", "block_duration": "99"})
    assert faults["block_duration"].en.startswith("Hours on end: must fit between")
    terms, _ = demand_form.read(fields | {"a0_limit": "9.00005"})
    assert terms is not None
    with pytest.raises(ValidationError) as refused:
        validate_demand(terms, MARKET, int(NOW.timestamp()) // 3600)
    (message,) = demand_form.faults(refused.value, fields).values()
    assert message.en == (
        "Limit price must be a multiple of the tick 0.0001, such as 9 or 9.0001, was 9.00005"
    )


def test_buttons_change_the_form_as_they_say_and_strange_ones_do_nothing() -> None:
    fields = demand_form.fields_of(demand(), "jingjinji")
    added = demand_form.changed(fields, "add:", MARKET)
    assert (added["alternatives"], added["a2_limit"]) == ("3", "15")
    assert demand_form.changed(added, "remove:2", MARKET) == fields
    first = demand_form.changed(fields, "remove:0", MARKET)
    assert (first["alternatives"], first["a0_limit"]) == ("1", "15")
    raised = demand_form.changed(fields, "limit:13000000", MARKET)
    assert (raised["a0_limit"], raised["a1_limit"]) == ("13", "15")
    assert demand_form.changed(fields, "chips:8", MARKET)["block_chips_min"] == ""
    moved = demand_form.changed(fields, f"moved:bj-1/h800@{493_000}", MARKET)
    assert moved["earliest"] == hour_text(period_start(493_000))
    assert moved["deadline"] == fields["deadline"]
    other = demand_form.changed(fields, "other:zjk-1/ascend-910b@1", MARKET)
    assert (other["a0_zones"], other.get("a1_zones")) == ("zjk-1", "")
    for strange in ("", "limit:x", "limit:", "remove:9x", "chips:-1", "moved:@", "sell:all"):
        assert demand_form.changed(fields, strange, MARKET) == fields


def test_a_copy_of_what_has_passed_has_its_window_from_the_next_hour_on() -> None:
    fields = demand_form.fields_of(demand(), "jingjinji")
    assert moved_on(fields, "earliest", "deadline", NOW) == fields
    late = moved_on(fields, "earliest", "deadline", NOW.replace(month=12))
    assert (late["earliest"], late["deadline"]) == ("2026-12-24T16:00", "2026-12-25T04:00")


def test_the_changes_of_a_reason_are_buttons() -> None:
    params: dict[str, int | str] = {
        "limit_needed": 12_500_000,
        "chips_would": 8,
        "other_pool": "zjk-1/h800",
        "other_start": 493_000,
    }
    found = changes_of(
        Reason(code="asks_above_limit", en="x", zh="x", params=params), Names({}, {}, {}, "en")
    )
    assert [item.value for item in found] == [
        "limit:12500000",
        "chips:8",
        "other:zjk-1/h800@493000",
    ]
    assert found[0].label == Message("Raise the limit to ¥12.5", "限价提高至 ¥12.5")
    assert found[2].label.en.startswith("Allow zjk-1 · h800 from ")


def test_every_figure_of_a_case_has_a_name_in_both_languages() -> None:
    named = {
        name
        for en, zh in SENTENCES.values()
        for text in (en, zh)
        for _, name, _, _ in string.Formatter().parse(text)
        if name
    }
    assert named <= set(FIGURES)
    assert measured({"rsi_ppm": 125_000, "loss": 12_500_000, "area": "tianjin/mxc500"}) == [
        (("Residual supply, least", "剩余供给指数（最低）"), "12.500 %"),
        (("Difference", "差额"), "¥12.50"),
        (("Where", "范围"), "tianjin/mxc500"),
    ]
    said = for_people(Message("fell to 125000 ppm.", "最低 125000 ppm。"))
    assert (said.en, said.zh) == ("fell to 12.5 %.", "最低 12.5 %。")


def test_sentences_for_people_have_yuan_and_beijing_time() -> None:
    said = for_people(Message("12500000 micro-yuan at 2026-11-25T00:00Z", "12500000 微元"))
    assert said == Message("12.5 yuan at 11-25 08:00", "12.5 元")
    assert for_people(Message("Its ask of 6.8432 CNY.", "报价 7 CNY")).en == "Its ask of ¥6.8432."
    held = Reason(code="hold_refused", en="x", zh="x", params={"needed": 2_000_000, "free": 1})
    assert why(held).en == "Money could not be reserved: ¥2.00 needed, ¥0.00 free."


def test_rows_are_read_one_by_one_and_their_times_are_beijing_unless_they_say_otherwise() -> None:
    text = "\n".join((HEAD, ROW, ROW.replace("2026-11-25 08:00", "2026-11-25T00:00Z"), "a,b,c"))
    (one, two, three), wrong = rows_of(f"\ufeff{text}\n")
    assert wrong is None
    assert one.terms == two.terms
    assert one.terms is not None
    assert one.terms.start == datetime(2026, 11, 25, tzinfo=UTC)
    assert {"chips", "ask", "start", "end"} <= set(three.faults)
    assert key_of("k", one, 0) == key_of("k", two, 0) != key_of("k", one, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing: zone"),
        (HEAD, "no rows"),
        (f"{HEAD},colour\n{ROW},red", "unknown: colour"),
        (f'{HEAD}\n"{ROW}', "no CSV"),
        ("\n".join([HEAD, *[ROW] * 1_001]), "At most 1000 rows"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(text: str, said: str) -> None:
    rows, wrong = rows_of(text)
    assert rows == []
    assert wrong is not None
    assert said in wrong.en


def test_the_template_is_a_file_whose_rows_are_right() -> None:
    start, end = datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)
    rows, wrong = rows_of(template(MARKET, start, end, ""))
    assert wrong is None
    assert [row.faults for row in rows] == [{}, {}]


def due(*chips: int) -> deliveries.Due:
    hours = [
        DeliveredPeriod(start=period_start(period_of(NOW) - len(chips) + at), chips=count)
        for at, count in enumerate(chips)
    ]
    return {"al_" + "a" * 26: tuple(hours)}


def test_a_form_without_hours_reports_all_of_them_in_full() -> None:
    owed = due(4, 8)
    (report,), wrong = deliveries.read(owed, {})
    assert (report.periods, wrong) == (owed[report.allocation_id], {})


def test_hours_that_fell_short_are_reported_as_filled_in_and_empty_ones_later() -> None:
    owed = due(4, 8, 2)
    names = [name for name, _ in deliveries.listed(owed)]
    filled = dict(zip(names, ("4", "5", ""), strict=True))
    (report,), wrong = deliveries.read(owed, filled)
    assert [one.chips for one in report.periods] == [4, 5]
    assert wrong == {}
    # The same hours are one report, whatever is said of them.
    (other,), _ = deliveries.read(owed, filled | {names[1]: "0"})
    assert deliveries.key_of(other) == deliveries.key_of(report)
    for text, said in (("9", "must be at most 8, was 9"), ("half", "must be a whole number")):
        _, wrong = deliveries.read(owed, filled | {names[1]: text})
        assert said in wrong[names[1]].en


def test_a_form_under_a_need_stays_within_its_hours_its_pools_and_its_cap() -> None:
    scope = MobilisationScope.model_validate(
        {
            "regions": ["beijing"],
            "chips": ["h800"],
            "price_cap": 12_500_000,
            "start": "2026-11-24T06:00:00Z",
            "end": "2026-11-24T10:00:00Z",
            "reason": "Flood forecast",
        }
    )
    fields = demand_form.urgent(MARKET, NOW, scope)
    terms, wrong = demand_form.read(fields)
    assert wrong == {}
    assert terms is not None
    (only,) = terms.alternatives
    assert (only.limit, only.regions, only.chips_any_of) == (12_500_000, ("beijing",), ("h800",))
    # Two whole hours are left of it.
    assert (terms.earliest.hour, terms.deadline.hour) == (8, 10)
    assert isinstance(terms.shape, BlockShape)
    assert terms.shape.duration == 2
    assert terms.priority.value == "urgent"
