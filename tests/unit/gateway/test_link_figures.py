"""Flows on the market's page: arrows between regions, and the table of links."""

from __future__ import annotations

from schemas.links import LinkFlowView
from schemas.market import Market
from services.gateway.adapters.http import examples
from services.gateway.adapters.pages.link_figures import arrows, links_figure


def market() -> Market:
    zones = [
        {"id": name, "region": region, "name_en": name, "name_zh": name}
        for name, region in (
            ("bj-1", "beijing"),
            ("bj-2", "beijing"),
            ("he-1", "hebei"),
            ("sh-1", "shanghai"),
        )
    ]
    given = examples.MARKET
    zone = given["zones"][0]
    found = given | {"zones": [zone | one for one in zones]}
    found.pop("links", None)
    found.pop("latencies", None)
    return Market.model_validate(found)


def flow(source: str, destination: str, gb: int, congested: int = 0) -> LinkFlowView:
    return LinkFlowView(
        source=source,
        destination=destination,
        gb=gb,
        gb_left=100,
        rent=7 * congested,
        surcharge_max=congested,
        periods_congested=congested,
        periods=24,
    )


def test_flows_are_added_up_between_regions_and_the_widest_arrow_is_for_the_most() -> None:
    found = arrows(
        [
            flow("bj-1", "he-1", 300),
            flow("bj-2", "he-1", 100, congested=2),
            flow("he-1", "bj-1", 50),
            flow("bj-1", "bj-2", 900),
            flow("bj-1", "sh-1", 900),
            flow("he-1", "bj-2", 0),
        ],
        market(),
    )
    # Neither what stays in a region nor what leads off the map is drawn.
    assert [(one.source, one.destination, one.gb) for one in found] == [
        ("beijing", "hebei", 400),
        ("hebei", "beijing", 50),
    ]
    assert [one.is_congested for one in found] == [True, False]
    there, back = found
    assert there.width > back.width
    # The way back lies beside the way there, so that both can be seen.
    assert there.line[:2] != back.line[2:]


def test_a_table_of_links_shows_their_use_and_none_where_nothing_could_flow() -> None:
    empty = flow("he-1", "bj-1", 0).model_copy(update={"gb_left": 0})
    figure = links_figure([flow("bj-1", "he-1", 300, congested=3), empty])
    assert figure.rows[0] == ("bj-1", "he-1", 300, 100, 750_000, 3, 3, 21)
    assert figure.rows[1][4] is None
    assert figure.csv().splitlines()[0].startswith("source,destination,gb,gb_left,used_ppm")
