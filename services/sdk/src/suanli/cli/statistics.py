"""`suanli prices --by` and `--index`: what trades cost, added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from suanli.cli import units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked, sparkline
from suanli.cli.session import Output

if TYPE_CHECKING:
    from suanli.cli.session import Session

Json = dict[str, Any]
_LINE_COLUMNS: Final = 36
_NOTHING: Final = ("Nothing was traded in these hours.", "这些时段没有成交。")

_STATISTICS: Final[tuple[Column, ...]] = (
    ranked(1, words.text_column("pool", ("pool", "资源池"), "pool")),
    words.text_column("chip", ("chip", "芯片"), "chip"),
    words.text_column("region", ("region", "地区"), "region"),
    words.time_column("start", ("delivery from", "交付始"), "start"),
    words.price_column("last_per_chip_hour", ("last", "最新"), "last"),
    ranked(2, words.price_column("min_per_chip_hour", ("lowest", "最低"), "min")),
    ranked(2, words.price_column("max_per_chip_hour", ("highest", "最高"), "max")),
    words.price_column("average_per_chip_hour", ("average", "均价"), "average"),
    words.count_column("chip_hours", ("chip-hours", "卡时"), "volume"),
    ranked(3, words.money_column("value", ("value", "成交额"), "value")),
    ranked(4, words.text_column("last_round_id", ("last round", "最近轮次"), "last_round_id")),
)
_SERIES: Final[tuple[Column, ...]] = (
    words.text_column("chip", ("chip", "芯片"), "chip"),
    words.text_column("region", ("region", "地区"), "region"),
    words.time_column("start", ("delivery from", "交付始"), "start"),
    words.price_column("index_per_chip_hour", ("index", "指数"), "index"),
    words.price_column("per_pflops_hour", ("per PFLOPS-hour", "每 PFLOPS 时"), "per_pflops_hour"),
    words.count_column("change_ppm", ("change (ppm)", "变动(ppm)"), "change_ppm"),
    words.count_column("chip_hours", ("chip-hours", "卡时"), "volume"),
    words.text_column("carried_from", ("carried from", "沿用自"), "carried_from"),
)
_LATEST: Final[tuple[Column, ...]] = (
    words.text_column("chip", ("chip", "芯片"), "chip"),
    words.text_column("region", ("region", "地区"), "region"),
    words.price_column("index_per_chip_hour", ("index per chip-hour", "每卡时指数"), "index"),
    ranked(1, words.price_column("per_pflops_hour", ("per PFLOPS-hour", "每 PFLOPS 时"), "per")),
    words.count_column("chip_hours", ("chip-hours", "卡时"), "volume"),
    Column(
        "line", ("index by window", "各时段指数"), lambda row: sparkline(row["line"], _LINE_COLUMNS)
    ),
)


def show(
    session: Session, span: dict[str, str | int | None], by: str | None, *, index: bool
) -> None:
    """Print statistics by group, or indices.

    Raises:
        UsageProblem: if both are wanted.
    """
    if by is not None and index:
        raise UsageProblem(
            "--by",
            by,
            ("left out with --index", "与 --index 合用时不给出"),
        )
    if by is not None:
        found = list(session.client.pages("/v1/statistics", group=by, **span))
        print_list(session, found, _STATISTICS, empty=_NOTHING)
        return
    found = list(session.client.pages("/v1/indices", **span))
    if session.output is not Output.TABLE:
        print_list(session, found, _SERIES, empty=_NOTHING)
        return
    print_list(session, _by_pair(found), _LATEST, empty=_NOTHING, title=_title(found))


def _by_pair(found: list[Json]) -> list[Json]:
    series: dict[tuple[str, str], list[Json]] = {}
    for item in found:
        series.setdefault((item["chip"], item["region"]), []).append(item)
    return [
        {
            "chip": chip,
            "region": region,
            "index": items[-1]["index"],
            "per": items[-1]["per_pflops_hour"],
            "volume": sum(item["volume"] for item in items),
            # A carried index is no trade: the line has a gap there.
            "line": [None if item["carried_from"] else item["index"] for item in items],
        }
        for (chip, region), items in series.items()
    ]


def _title(found: list[Json]) -> str | None:
    if not found:
        return None
    return f"{units.short_time(found[0]['start'])} - {units.short_time(found[-1]['end'])} UTC"
