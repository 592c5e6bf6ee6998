"""What people read on the pages: words for codes, Chinese as it is written, times and prices."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.api import RoundView
from schemas.market import Market
from schemas.reports import Cell, ReportColumn, ReportKind, ReportView
from schemas.surveillance import CaseView
from schemas.types import OrderState
from services.core.surveillance.cases import SENTENCES, CaseKind
from services.gateway.adapters.http import examples
from services.gateway.adapters.pages import site
from services.gateway.adapters.pages.case_words import found
from services.gateway.adapters.pages.codes import word
from services.gateway.adapters.pages.figures import drawn
from services.gateway.adapters.pages.market_figures import Sight
from services.gateway.adapters.pages.names import names_in
from services.gateway.adapters.pages.office_figures import leads, report_bars, report_figure
from services.gateway.adapters.pages.rendering import ENVIRONMENT, chinese, lasting
from services.gateway.app.door import RECORDED
from services.gateway.app.emergency_report import DisplacedRow, EmergencyRow, emergency_use
from suanli.vocabulary import ACTS, PURPOSES
from tests.unit.gateway.test_scopes import operations

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_LONG = "Flood forecast 永定河洪水预报及沿岸转移"


def test_no_page_joins_a_list_by_a_comma_in_chinese() -> None:
    folder = ROOT / "services/gateway/adapters/pages/templates"
    alone = re.compile(r"""join\('(, )'\)|%}, {%|\{\{ '(, )'""")
    found = [page.name for page in folder.glob("*.html") if alone.search(page.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("全部成交:1 卡时。", "全部成交：1 卡时。"),
        ("累计 889 卡时;其余留在订单簿。", "累计 889 卡时；其余留在订单簿。"),
        ("最多剩余 3 GB,需要 4 GB", "最多剩余 3 GB，需要 4 GB"),
        ("须为以下之一: a10, t4", "须为以下之一：a10, t4"),
        ("须满足时延(a: 1 ms)", "须满足时延（a: 1 ms）"),
        ("12:30 后 jjj-spot:27", "12:30 后 jjj-spot:27"),
    ],
)
def test_chinese_text_has_punctuation_as_wide_as_its_characters(said: str, written: str) -> None:
    assert chinese(said) == written


def test_a_span_of_time_is_told_in_its_two_largest_units() -> None:
    spans = (0, 59, 60, 11_905, 90_000)
    assert [lasting(span, "en") for span in spans] == [
        "0 s", "59 s", "1 min", "3 h 18 min", "1 d 1 h",
    ]  # fmt: skip
    assert lasting(11_905, "zh") == "3 小时 18 分"


def test_every_act_that_is_recorded_has_words_in_both_languages() -> None:
    asked = {name for _, _, name, scope in operations() if scope in RECORDED}
    on_pages = {
        route.name
        for module in vars(site).values()
        for route in getattr(getattr(module, "router", None), "routes", ())
        if re.search(r"enter\([^)]*Scope\.(MONEY|GOVERN|ADMIN)", inspect.getsource(route.endpoint))
    }
    assert "redrive" in on_pages
    assert asked | on_pages <= ACTS.keys()
    assert all(en and zh and en != zh for en, zh in ACTS.values())


@pytest.mark.parametrize("state", OrderState)
def test_every_state_of_an_order_has_words_in_both_languages(state: OrderState) -> None:
    macros = ENVIRONMENT.get_template("macros.html").module
    en, zh = (
        re.sub(r"<[^>]+>", "", macros.order_badge(state.value, lambda *said, at=at: said[at]))  # type: ignore[attr-defined]
        for at in (0, 1)
    )
    assert en == state.value.replace("-", " ")
    assert not zh.isascii()


def test_every_purpose_of_the_journal_has_words_in_both_languages() -> None:
    page = (ROOT / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")
    table = page.partition("| purpose | entry |")[2].partition("\n\n")[0]
    documented = {
        name
        for line in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert documented
    assert documented <= set(PURPOSES)
    assert word("hold_captured", "zh") == "资金划扣"
    assert word("what_nobody_knows", "zh") == "what_nobody_knows"


def case(figures: dict[str, int | str], en: str) -> CaseView:
    return CaseView.model_validate(
        {
            "case_id": "sc_" + "a" * 26,
            "market_id": "jjj-spot",
            "day": "2026-11-24",
            "kind": "outlier",
            "severity": "medium",
            "state": "open",
            "version": 0,
            "revision": 1,
            "is_final": True,
            "participants": [],
            "participants_total": 0,
            "evidence": [],
            "evidence_total": 0,
            "figures": figures,
            "summary": {"code": "outlier", "en": en, "zh": "原文。", "params": {}},
            "raised_at": NOON,
        }
    )


def test_a_case_is_told_with_prices_in_yuan_unless_it_has_words_of_its_own() -> None:
    figures: dict[str, int | str] = {
        "pool": "beijing/a10", "prices": 2, "median": 18_290_100, "price": 225_139_900,
    }  # fmt: skip
    told = found(case(figures, SENTENCES[CaseKind.OUTLIER][0].format_map(figures)))
    assert "median of ¥18.2901; the farthest was ¥225.1399." in told.en
    assert told.zh == "北京/a10 有 2 个价格远离中位数 ¥18.2901，最远为 ¥225.1399。"
    assert found(case(figures, "Something else.")).zh == "原文。"
    assert found(case({"prices": 2}, "It lacks figures.")).zh == "原文。"


def report(
    kind: ReportKind, columns: Iterable[ReportColumn], rows: tuple[tuple[Cell, ...], ...]
) -> ReportView:
    return ReportView(
        kind=kind,
        market_id="jjj-spot",
        day="2026-11-24",
        title_en="Of the day",
        title_zh="当日",
        about_en="By round.",
        about_zh="按轮次。",
        made_at=NOON,
        is_final=True,
        rounds=1,
        figures=(),
        is_whole=True,
        columns=tuple(columns),
        rows=rows,
    )


def test_a_report_is_read_in_words_and_beijing_time_and_its_picture_too() -> None:
    names = ("side", "region", "chip", "hour", "hhi")
    text = ReportColumn(name="side", en="side", zh="买卖方", unit="text")
    columns = [text.model_copy(update={"name": name}) for name in names]
    columns[-1] = columns[-1].model_copy(update={"unit": "count"})
    rows = (
        ("seller", "beijing", "a10", "all", 10_000),
        ("buyer", "hebei", "all", "2026-11-24T04:00:00Z", 5_000),
    )
    view = report("concentration", columns, rows)
    assert report_figure(view, "zh").rows == (
        ("卖方", "北京", "a10", "合计", 10_000),
        ("买方", "河北", "合计", "11-24 12:00", 5_000),
    )
    bars = report_bars(view, "zh")
    assert bars is not None
    assert [bar.name for bar in bars.bars] == ["北京 · a10"]


def test_a_row_of_a_report_names_its_chips_and_leads_to_what_it_is_about() -> None:
    columns = [
        ReportColumn(name=name, en=name, zh=name, unit="text")
        for name in ("case_id", "round_id", "chip", "owners")
    ]
    view = report(
        "surveillance", columns, (("sc_a", "m:7", "a10", "lab"), ("sc_b", None, None, ""))
    )
    market = Market.model_validate(examples.MARKET)
    names = names_in([market], "en")
    page = ENVIRONMENT.from_string(
        "{% import 'macros.html' as m %}{{ m.table(figure, pick, shown, drawn, 'x', leads) }}"
    ).render(
        figure=report_figure(view, "en"),
        pick=lambda *said: said[0],
        shown=names.shown,
        drawn=drawn,
        leads=leads,
    )
    assert re.findall(r'href="([^"]+)">([^<]+)<', page) == [
        ("/office/cases/sc_a", "sc_a"),
        ("/rounds/m:7", "m:7"),
        ("/office/cases/sc_b", "sc_b"),
    ]
    (chip,) = (item for item in market.chips if item.id == "ascend-910b")
    assert names.shown(report_figure(view, "en").columns[2].kind, chip.id) == chip.name


def test_the_register_of_emergency_use_is_drawn_by_need_and_read_in_words() -> None:
    need = "mob_" + "m" * 26
    served = EmergencyRow(
        need, _LONG, "operator", "city", "m:2", NOON, 1, 1, 192, 64, 9_000_000, 30_000_000, 1_728,
    )  # fmt: skip
    again = dataclasses.replace(served, round_id="m:3", chip_hours=8, reserve_chip_hours=0)
    lost = DisplacedRow("m:3", NOON, [need], "optimal", "dem_x", "lab", 12, 7_000_000)
    content = emergency_use([served, again], [], [lost])
    view = report("emergency-use", content.columns, content.rows)
    bars = report_bars(view, "zh")
    assert bars is not None
    assert [(bar.name, bar.said) for bar in bars.bars] == [
        ("Flood forecast 永定河洪水预报…", "200 卡时")
    ]
    assert bars.bars[0].parts == (680, 320)
    rows = report_figure(view, "zh").rows
    assert [(row[0], row[-1]) for row in rows] == [
        ("紧急轮次", None),
        ("紧急轮次", None),
        ("被挤出", "最优"),
    ]


def sight(now: datetime, *, defined_at: datetime | None = None) -> Sight:
    market = Market.model_validate(examples.MARKET)
    rules = market.rules.model_copy(update={"round_every_s": 60})
    latest = RoundView.model_validate(
        {
            "round_id": "m:1",
            "market_id": "m",
            "seq": 1,
            "state": "closed",
            "market_time": NOON,
            "file": {"state": "none"},
        }
    )
    return Sight(
        market=market.model_copy(update={"rules": rules}),
        now=now,
        rounds=(latest,),
        prices={},
        indices=(),
        is_whole=True,
        defined_at=defined_at,
    )


def test_a_round_is_late_a_cadence_after_it_was_due_and_rules_set_since_count_from_then() -> None:
    assert not sight(NOON + timedelta(seconds=110)).is_late
    late = sight(NOON + timedelta(hours=3))
    assert late.is_late
    assert late.next_round == NOON + timedelta(seconds=60)
    anew = sight(NOON + timedelta(hours=3), defined_at=NOON + timedelta(hours=3))
    assert (anew.is_late, anew.next_round) == (False, NOON + timedelta(hours=3, seconds=60))
