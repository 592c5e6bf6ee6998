"""What pages call zones, chip classes and pools."""

from __future__ import annotations

import csv
import io

from schemas.market import Market
from services.gateway.adapters.http import examples
from services.gateway.adapters.pages.desk_figures import sites_figure
from services.gateway.adapters.pages.names import names_in
from services.gateway.desk_ports import SiteSum

MARKET = Market.model_validate(examples.MARKET)
ZONE, CHIP = MARKET.zones[0], MARKET.chips[0]


def test_a_pool_is_called_by_the_names_of_its_zone_and_chip_class() -> None:
    pool = f"{ZONE.id}/{CHIP.id}"
    assert names_in([MARKET], "zh").pool(pool) == f"{ZONE.name_zh} · {CHIP.name}"
    assert names_in([MARKET], "en").pool(pool) == f"{ZONE.name_en} · {CHIP.name}"


def test_pools_in_a_sentence_are_named_and_nothing_else() -> None:
    said = names_in([MARKET], "en").said(f"From {ZONE.id}/{CHIP.id}, on 3/1031, in a/b.")
    assert said == f"From {ZONE.name_en} · {CHIP.name}, on 3/1031, in a/b."


def test_what_no_market_knows_is_called_by_its_id() -> None:
    names = names_in([], "zh")
    assert names.pool("zjk-1/h800") == "zjk-1 · h800"
    assert names.places(("hebei",), ("zjk-1",)) == "河北、zjk-1"


def test_the_first_of_two_markets_with_a_zone_names_it() -> None:
    renamed = MARKET.model_copy(
        update={"zones": tuple(z.model_copy(update={"name_en": "Else"}) for z in MARKET.zones)}
    )
    assert names_in([MARKET, renamed], "en").zone(ZONE.id) == ZONE.name_en


def test_a_figure_has_names_for_people_and_ids_for_programs() -> None:
    figure = sites_figure([SiteSum(ZONE.id, CHIP.id, 8, 4, 4, 1_000_000)])
    names = names_in([MARKET], "zh")
    row = [
        names.shown(column.kind, value)
        for column, value in zip(figure.columns, figure.rows[0], strict=True)
    ]
    assert row[:4] == [ZONE.name_zh, CHIP.name, "8", "4"]
    assert next(csv.DictReader(io.StringIO(figure.csv())))["zone"] == ZONE.id
    assert [column.is_number for column in figure.columns[:3]] == [False, False, True]
