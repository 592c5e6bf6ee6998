from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from infra.demo.checks import checks_of
from infra.demo.facts import Facts, LinkLoss
from infra.demo.figures import figures_of
from infra.demo.report import report_html
from services.gateway.app.emergency_report import (
    DisplacedRow,
    DisplacementRow,
    EmergencyRow,
    emergency_use,
)
from tests.unit.demo.days import START, YUAN, hour, make_facts, shared_facts, verdict

_VOID = {"meta"}


class _Shape(HTMLParser):
    """Checks that elements nest, and keeps what they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _report(facts: Facts | None = None, language: str = "en") -> str:
    day = facts or make_facts()
    prices = {"home": 9 * YUAN, "away": 11 * YUAN}
    return report_html(day, figures_of(day), checks_of(day), prices, language=language)


def test_the_report_is_well_formed_and_needs_no_other_file() -> None:
    shape = _Shape()
    html = _report()
    shape.feed(html)
    assert shape.open == []
    assert shape.links == []
    # The name space of SVG is a name, not an address that is fetched.
    rest = html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(", rest)


def test_every_chart_has_its_table() -> None:
    shape = _Shape()
    shape.feed(_report())
    charts = {"prices": 2, "supply": 1, "regions": 1, "welfare": 1}
    assert shape.seen.count("svg") == sum(charts.values())
    # Those four, and the reasons of the orders.
    assert shape.seen.count("details") == len(charts) + 1


def test_names_from_the_market_cannot_break_the_page() -> None:
    html = _report()
    assert "Home <1>" not in html
    assert "Home &lt;1&gt;" in html
    assert "不在&lt;档&gt;" in html


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_opens_in_the_language_asked_for(language: str) -> None:
    assert f'<html lang="{language}">' in _report(language=language)


def test_english_and_chinese_come_in_pairs() -> None:
    html = _report()
    body = html[html.index("<main>") :]
    english = len(re.findall(r'class="(?:[\w ]+ )?en"', body))
    assert english == len(re.findall(r'class="(?:[\w ]+ )?zh"', body))
    assert english > 100


def test_a_broken_guarantee_is_the_first_thing_said() -> None:
    facts = make_facts(verdicts={"m:1": verdict(1, ok=False)})
    html = _report(facts)
    assert 'class="verdict bad"' in html
    assert html.index("did not hold") < html.index("chip-hours sold")
    assert 'class="verdict good"' in _report()


def test_a_day_on_which_nothing_happened_still_gives_a_report() -> None:
    empty = make_facts(
        rounds=(), offers=(), demands=(), allocations=(), attempts=(), verdicts={}, trials=()
    )
    shape = _Shape()
    shape.feed(_report(empty))
    assert shape.open == []


def test_what_links_carried_is_told_with_its_price_and_rent() -> None:
    row = {
        "source": "bj", "destination": "he", "gb_total": 1_500, "rent_total": 3_000_000,
        "price": 2_000, "tariff": 2_000, "period": hour(1),
    }  # fmt: skip
    assert "Between zones" not in _report(make_facts())
    dear = row | {"gb_total": 500, "price": 9_000, "period": hour(2)}
    page = _report(make_facts(links=(row, dear)))
    assert "2,000 GB of data and traffic" in page
    assert "0.0090" in page
    assert "<figcaption><span>bj → he</span></figcaption>" in page
    assert "each way" not in page
    loss = LinkLoss(("bj", "he"), 90_000, 2_250, START, START + timedelta(hours=2))
    page = _report(make_facts(links=(row, dear), loss=loss))
    assert "From 00:00 to 02:00 the link between bj and he had 2,250 of its 90,000 GB" in page
    shape = _Shape()
    shape.feed(page)
    assert shape.open == []


def test_a_domestic_share_is_told_with_its_versions_premium_and_money() -> None:
    page = _report(shared_facts())
    assert "A domestic share in the whole market" in page
    assert "Of 2 rounds 0 kept it by themselves and 2 had a premium" in page
    assert "1 missed the share" in page
    assert "Home &lt;first&gt;" in page
    assert "withdrawn" in page
    assert "1: 75.0 % (70 %)" in page, "of the round's allocations, in the chart"
    assert "75.00 %" in page, "as it was told, in the table"
    shape = _Shape()
    shape.feed(page)
    assert shape.open == []
    assert "A domestic share" not in _report()


def test_an_emergency_is_told_with_what_it_took_and_whom_it_displaced() -> None:
    mobilisation, at = "mob_" + "m" * 26, make_facts().start
    served = EmergencyRow(
        mobilisation, "Flood <b>", "operator", "city", "m:2", at, 1, 1, 192, 64, 9_000_000,
        30_000_000, 1_728_000_000,
    )  # fmt: skip
    cost = DisplacementRow("m:3", at, [mobilisation], "optimal", 5, 5_000_005, 1, 12, 7_000_000)
    lost = DisplacedRow("m:3", at, [mobilisation], "optimal", "dem_x", "lab", 12, 7_000_000)
    content = emergency_use([served], [cost], [lost])
    register = {
        "columns": [column.model_dump() for column in content.columns],
        "figures": [figure.model_dump() for figure in content.figures],
        "rows": content.rows,
    }
    page = _report(make_facts(emergency=register))
    assert "Flood &lt;b&gt;: proposed by operator, confirmed by city." in page
    assert "192 chip-hours before all other demand, 64 of them reserve" in page
    assert "1 other demands got less, which cost the ordinary rounds 5 yuan" in page
    assert ">dem_x<" in page
    assert "An emergency in Beijing" not in _report()
