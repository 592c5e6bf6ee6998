"""Options of a demand about where its data and callers are, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from suanli.cli import terms, words
from suanli.cli.session import option

if TYPE_CHECKING:
    from suanli.cli.ordering import Fact

_PRIORITIES = {"urgent": "紧急", "interruptible": "可中断"}

DataZone = Annotated[
    str | None,
    option("--data-zone", en="Where its data lies (block).", zh="数据所在区域(block)。"),
]
DataGb = Annotated[
    int | None,
    option(
        "--data-gb",
        en="GB that must be where it runs before it starts.",
        zh="开始前须到达运行区域的数据,GB。",
    ),
]
TrafficGb = Annotated[
    int | None,
    option(
        "--traffic-gb",
        en="GB that each chip-hour sends to its callers.",
        zh="每卡时发往调用方的流量,GB。",
    ),
]
Notice = Annotated[
    int | None,
    option(
        "--notice-hours",
        en="Hours it is sure of beyond the coming one (interruptible).",
        zh="除下一小时外保证不被收回的小时数(可中断)。",
    ),
]


def given(
    data_zone: str | None, data_gb: int | None, traffic_gb: int | None, notice_hours: int | None
) -> dict[str, Any]:
    """Return as terms what was given."""
    return terms.given(
        data_zone=data_zone,
        data_gb=data_gb,
        traffic_gb_per_chip_hour=traffic_gb,
        notice_periods=notice_hours,
    )


def facts(wanted: dict[str, Any]) -> list[Fact]:
    """Return what terms say of data, callers and priority; nothing of what they leave open."""
    rows: list[Fact] = []
    priority = wanted.get("priority")
    if priority in _PRIORITIES:
        rows.append(("priority", ("priority", "优先级"), (priority, _PRIORITIES[priority])))
    if wanted.get("notice_periods"):
        hours = words.count(wanted["notice_periods"])
        rows.append(("notice_hours", ("sure beyond the coming hour (h)", "另保证小时数"), hours))
    if wanted.get("data_zone"):
        rows.append(("data_zone", ("data lies in", "数据所在"), str(wanted["data_zone"])))
        rows.append(("data_gb", ("data (GB)", "数据(GB)"), words.count(wanted["data_gb"])))
    if wanted.get("user_zone"):
        rows.append(("user_zone", ("callers in", "调用方所在"), str(wanted["user_zone"])))
    if wanted.get("latency_ms_max") is not None:
        farthest = words.count(wanted["latency_ms_max"])
        rows.append(("latency_ms_max", ("farthest (ms)", "最大时延(ms)"), farthest))
    if wanted.get("traffic_gb_per_chip_hour"):
        sent = words.count(wanted["traffic_gb_per_chip_hour"])
        label = ("traffic (GB per chip-hour)", "流量(GB/卡时)")
        rows.append(("traffic_gb_per_chip_hour", label, sent))
    return rows
