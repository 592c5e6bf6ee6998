"""`suanli book --window`: what is on offer and wanted by delivery window."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from suanli import operations as ops
from suanli.cli import units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import Output

if TYPE_CHECKING:
    from suanli.cli.session import Session

Json = dict[str, Any]
_STEPS: Final = ("hour", "day")
_EMPTY: Final = ("Nothing is on offer or wanted there.", "该窗口暂无供给与需求。")

_WINDOWS: Final[tuple[Column, ...]] = (
    words.text_column("chip", ("chip", "芯片"), "chip"),
    words.text_column("region", ("region", "地区"), "region"),
    words.time_column("start", ("delivery from", "交付始"), "start"),
    ranked(1, words.count_column("offers", ("offers", "供给报价"), "offers")),
    words.count_column("offered_chips", ("chips offered", "供给芯片"), "offered_chips"),
    words.price_column("ask_min_per_chip_hour", ("lowest ask", "最低报价"), "ask_min"),
    ranked(1, words.count_column("demands", ("demands", "需求"), "demands")),
    words.count_column(
        "wanted_chip_hours", ("wanted (chip-hours)", "需求(卡时)"), "wanted_chip_hours"
    ),
    words.price_column("limit_max_per_chip_hour", ("highest limit", "最高限价"), "limit_max"),
)
_CURVES: Final[tuple[Column, ...]] = (
    words.text_column("chip", ("chip", "芯片"), "chip"),
    words.text_column("region", ("region", "地区"), "region"),
    words.count_column("offered_chip_hours", ("offered (chip-hours)", "供给(卡时)"), "offered"),
    words.price_column("ask_min_per_chip_hour", ("lowest ask", "最低报价"), "ask"),
    words.count_column("wanted_chip_hours", ("wanted (chip-hours)", "需求(卡时)"), "wanted"),
    words.price_column("limit_max_per_chip_hour", ("highest limit", "最高限价"), "limit"),
    words.price_column("crossing_per_chip_hour", ("curves cross at", "曲线交点"), "crossing"),
)
_LEVELS: Final[tuple[Column, ...]] = (
    words.count_column("ask_cumulative", ("up to here (chip-hours)", "累计(卡时)"), "ask_sum"),
    words.count_column("ask_chip_hours", ("chip-hours", "卡时"), "ask_hours"),
    words.price_column("ask_per_chip_hour", ("ask", "报价"), "ask"),
    words.price_column("limit_per_chip_hour", ("limit", "限价"), "limit"),
    words.count_column("limit_chip_hours", ("chip-hours", "卡时"), "limit_hours"),
    words.count_column("limit_cumulative", ("up to here (chip-hours)", "累计(卡时)"), "limit_sum"),
)


def show(
    session: Session, market_id: str, window: str, pool: str | None, where: str | None
) -> None:
    """Print every window, or one: of all chip classes and regions, or of a pool by price.

    Raises:
        UsageProblem: if the window is neither a length nor FROM/TO.
    """
    if window in _STEPS:
        pages = session.client.pages(
            "/v1/book/windows", market_id=market_id, window=window, filter=where
        )
        print_list(session, list(pages), _WINDOWS, empty=_EMPTY)
        return
    start, slash, end = window.partition("/")
    if not slash:
        wanted = "hour, day, or FROM/TO such as +1h/+5h"
        raise UsageProblem("--window", window, (wanted, "hour、day,或 起/止,如 +1h/+5h"))
    asked: dict[str, str | int | None] = {
        "market_id": market_id,
        "from": session.instant("--window", start),
        "to": session.instant("--window", end),
    }
    if pool is not None:
        _print_depth(session, session.client.send(ops.read("/v1/book/depth", pool=pool, **asked)))
        return
    found = list(session.client.pages("/v1/book/curves", **asked))
    if session.output is Output.JSON:
        session.print_json(found)
        return
    rows = [_row(item) for item in found if item["supply"] or item["demand"]]
    print_list(session, rows, _CURVES, empty=_EMPTY)


def _row(item: Json) -> Json:
    supply, demand = item["supply"], item["demand"]
    return {
        **item,
        "offered": supply[-1]["chip_hours"] if supply else 0,
        "ask": supply[0]["price"] if supply else None,
        "wanted": demand[-1]["chip_hours"] if demand else 0,
        "limit": demand[0]["price"] if demand else None,
    }


def _print_depth(session: Session, view: Json) -> None:
    if session.output is Output.JSON:
        session.print_json(view)
        return
    none: Json = {}
    rows = [
        {
            "ask": ask.get("price"),
            "ask_hours": ask.get("chip_hours"),
            "ask_sum": ask.get("cumulative"),
            "limit": limit.get("price"),
            "limit_hours": limit.get("chip_hours"),
            "limit_sum": limit.get("cumulative"),
        }
        for ask, limit in zip_longest(view["supply"], view["demand"], fillvalue=none)
    ]
    title = f"{view['pool']}  {units.window(view['start'], view['end'])} UTC"
    print_list(session, rows, _LEVELS, empty=_EMPTY, title=title)
    if not view["is_whole"]:
        session.note(("Only the best 100 levels a side.", "每侧仅显示最优 100 档。"))
