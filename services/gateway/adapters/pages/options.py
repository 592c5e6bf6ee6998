"""Choices of the forms, by the market, in the visitor's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.adapters.pages.market_figures import region_name
from services.gateway.adapters.pages.rendering import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from schemas.market import ChipClass, Market, Zone
    from services.core.errors import Message


def pick(message: Message, language: str) -> str:
    """Return a message in a language."""
    return say(language, message)


def chip_options(chips: Iterable[ChipClass], language: str) -> list[tuple[str, str, str]]:
    """Return (id, name, particulars) of chip classes."""
    domestic = "国产" if language == "zh" else "domestic"
    return [
        (chip.id, chip.name, f"{chip.memory_gb} GB{f' · {domestic}' if chip.domestic else ''}")
        for chip in chips
    ]


def chip_pairs(chips: Iterable[ChipClass], language: str) -> list[tuple[str, str]]:
    """Return (id, name with particulars) of chip classes."""
    return [(chip, f"{name} · {more}") for chip, name, more in chip_options(chips, language)]


def zone_options(zones: Iterable[Zone], language: str) -> list[tuple[str, str, str]]:
    """Return (id, name, id) of zones."""
    return [(zone.id, zone.name_zh if language == "zh" else zone.name_en, "") for zone in zones]


def zone_pairs(zones: Iterable[Zone], language: str) -> list[tuple[str, str]]:
    """Return (id, name) of zones."""
    return [(zone, name) for zone, name, _ in zone_options(zones, language)]


def region_options(market: Market, language: str) -> list[tuple[str, str, str]]:
    """Return (id, name, nothing) of regions."""
    regions = dict.fromkeys(zone.region for zone in market.zones)
    return [(region, region_name(region)[language == "zh"], "") for region in regions]


def market_pairs(
    ids: Iterable[str], markets: Sequence[Market], language: str
) -> list[tuple[str, str]]:
    """Return (id, name) of markets."""
    names = {item.id: item.name_zh if language == "zh" else item.name_en for item in markets}
    return [(market_id, names[market_id]) for market_id in ids]


FILTERS: dict[str, Callable[..., object]] = {
    "pick": pick,
    "chip_options": chip_options,
    "chip_pairs": chip_pairs,
    "zone_options": zone_options,
    "zone_pairs": zone_pairs,
    "region_options": region_options,
    "zip_names": market_pairs,
}
