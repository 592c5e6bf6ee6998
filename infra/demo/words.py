"""How the demo writes numbers, times and names, in English and Chinese."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.demo.facts import Json, Phrase

BEIJING = timezone(timedelta(hours=8), "Beijing")
_MICRO = 1_000_000

REGIONS: dict[str, Phrase] = {
    "beijing": ("Beijing", "北京"),
    "tianjin": ("Tianjin", "天津"),
    "hebei": ("Hebei", "河北"),
}
STATES: dict[str, Phrase] = {
    "accepted": ("accepted", "已接受"),
    "open": ("open", "挂单"),
    "part-filled": ("part-filled", "部分成交"),
    "filled": ("filled", "全部成交"),
    "cancelled": ("cancelled", "已撤回"),
    "expired": ("expired", "已到期"),
    "rejected": ("rejected", "已拒绝"),
}
SERVICES: dict[str, Phrase] = {
    "gateway": ("gateway", "网关"),
    "matching": ("matching", "撮合"),
    "ledger": ("ledger", "账本"),
    "auditor": ("auditor", "审计"),
    "kafka": ("Kafka", "Kafka"),
    "postgres": ("Postgres", "Postgres"),
    "keeper": ("keeper", "守护"),
    "demo": ("this program", "本程序"),
}
PHASES: dict[str, Phrase] = {
    "wipe": ("clearing up", "清理"),
    "stack": ("Kafka and Postgres", "Kafka 与 Postgres"),
    "services": ("services", "服务启动"),
    "opening": ("opening", "开市准备"),
    "day": ("the day", "交易日"),
    "booking": ("last bookings", "入账"),
    "all": ("in all", "合计"),
}
DOMESTIC: Phrase = ("domestic", "国产")
FOREIGN: Phrase = ("foreign", "进口")


def same(text: str) -> Phrase:
    """Return a text that is the same in both languages."""
    return (text, text)


def named(table: dict[str, Phrase], key: str) -> Phrase:
    """Return the name of a thing, its key if it has none."""
    return table.get(key, same(key))


def region(name: str | None) -> Phrase:
    """Return the name of a region, or of all of them together."""
    return ("the whole market", "全市场") if name is None else named(REGIONS, name)


def yuan(micro_yuan: int, digits: int = 0) -> str:
    """Return an amount in yuan, rounded, with thousands apart."""
    return f"{micro_yuan / _MICRO:,.{digits}f}"


def money(micro_yuan: int) -> Phrase:
    """Return an amount with its unit, shortened if it is large."""
    value = micro_yuan / _MICRO
    if abs(value) >= 10_000:
        return (
            f"{value / 1_000_000:,.2f} M yuan"
            if abs(value) >= 1_000_000
            else f"{value / 1000:,.1f} k yuan",
            f"{value / 10_000:,.1f} 万元",
        )
    return (f"{value:,.2f} yuan", f"{value:,.2f} 元")


def percent(part: float, digits: int = 1) -> str:
    """Return a share (1 = all) in per cent."""
    return f"{100 * part:.{digits}f} %"


def percent_of_ppm(ppm: int) -> str:
    """Return millionths in per cent, with as many digits as it takes to tell it from none."""
    if ppm == 0:
        return "0 %"
    return f"{ppm / 10_000:.2f} %" if ppm >= 1000 else f"{ppm / 10_000:.4f} %"


def share_of_asked(share: Json) -> str:
    """Return the domestic share of a round and, in brackets, the one that was asked of it."""
    achieved, asked = achieved_of(share), f"{share['share_bp'] / 100:g}"
    return f"- ({asked} %)" if achieved is None else f"{100 * achieved:.1f} ({asked} %)"


def achieved_of(share: Json) -> float | None:
    """Return the domestic share that a round achieved (1 = all), ``None`` of nothing."""
    whole = int(share["tflops_hours"])
    return int(share["tflops_hours_domestic"]) / whole if whole else None


def clock(instant: datetime) -> str:
    """Return the time of day in Beijing."""
    return instant.astimezone(BEIJING).strftime("%H:%M")


def hour_label(instant: datetime, start: datetime) -> str:
    """Return a delivery hour's time of day, with the days that have passed since the start."""
    days = (instant.astimezone(BEIJING).date() - start.astimezone(BEIJING).date()).days
    return clock(instant) + (f" +{days}d" if days else "")


def megabytes(count: int) -> str:
    """Return a size in MB (1024 x 1024 bytes)."""
    return f"{count / 2**20:,.0f} MB"


def zone_names(market: Json) -> dict[str, Phrase]:
    """Return the names of each zone of a market, its id where it has none."""
    return {
        zone["id"]: (zone.get("name_en", zone["id"]), zone.get("name_zh", zone["id"]))
        for zone in market["zones"]
    }


def chip_names(market: Json) -> dict[str, str]:
    """Return the short name of each chip class of a market."""
    return {
        chip["id"]: chip["name"].replace("-SXM4", "").replace(" SXM2", "")
        for chip in market["chips"]
    }
