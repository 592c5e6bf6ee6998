"""What people call zones, chip classes, regions and pools; programs get their ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.adapters.pages.figures import shown
from services.gateway.adapters.pages.market_figures import region_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.market import Market
    from services.gateway.adapters.pages.context import Pages, Visitor
    from services.gateway.adapters.pages.figures import Kind, Value

_MARKETS_MAX = 100
_POOL = re.compile(r"([a-z0-9-]+)/([a-z0-9-]+)")
# Names change when a market is defined anew, which is rare and harms nobody for a minute.
_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Names:
    """Names in one language; what no market knows is called by its id.

    Attributes:
        zones: Name of a zone by its id.
        chips: Name of a chip class by its id.
        markets: Name of a market by its id.
        language: ``zh`` or ``en``.
    """

    zones: Mapping[str, str]
    chips: Mapping[str, str]
    markets: Mapping[str, str]
    language: str

    def zone(self, zone: str) -> str:
        """Return a zone's name."""
        return self.zones.get(zone, zone)

    def chip(self, chip: str) -> str:
        """Return the name of a chip class."""
        return self.chips.get(chip, chip)

    def market(self, market: str) -> str:
        """Return a market's name."""
        return self.markets.get(market, market)

    def region(self, region: str) -> str:
        """Return a region's name."""
        return region_name(region)[self.language == "zh"]

    def shown(self, kind: Kind, value: Value) -> str:
        """Return a value of a figure as people read it, with names in the place of ids."""
        named = {"zone": self.zone, "chip": self.chip, "pool": self.pool}.get(kind)
        return shown(kind, value) if named is None or not isinstance(value, str) else named(value)

    def pool(self, pool: str) -> str:
        """Return what ``zone/chip`` is called: the zone, then the chip class."""
        zone, _, chip = pool.partition("/")
        return f"{self.zone(zone)} · {self.chip(chip)}"

    def said(self, text: str) -> str:
        """Return a sentence with the names of the pools in it."""

        def named(found: re.Match[str]) -> str:
            known = found[1] in self.zones and found[2] in self.chips
            return self.pool(found[0]) if known else found[0]

        return _POOL.sub(named, text)

    def places(self, regions: Iterable[str], zones: Iterable[str]) -> str:
        """Return regions and zones in a list, regions first."""
        named = [*map(self.region, regions), *map(self.zone, zones)]
        return ("、" if self.language == "zh" else ", ").join(named)

    def chips_of(self, chips: Iterable[str]) -> str:
        """Return chip classes in a list."""
        return ("、" if self.language == "zh" else ", ").join(map(self.chip, chips))


def names_in(markets: Iterable[Market], language: str) -> Names:
    """Return the names that markets give; where two differ, the first market's."""
    zones: dict[str, str] = {}
    chips: dict[str, str] = {}
    called: dict[str, str] = {}
    for market in markets:
        called[market.id] = market.name_zh if language == "zh" else market.name_en
        for zone in market.zones:
            zones.setdefault(zone.id, zone.name_zh if language == "zh" else zone.name_en)
        for chip in market.chips:
            chips.setdefault(chip.id, chip.name)
    return Names(zones, chips, called, language)


async def names_of(pages: Pages, visitor: Visitor) -> Names:
    """Return the names that the exchange's markets give, in a visitor's language."""
    language = visitor.language

    async def make() -> Names:
        found = await pages.api.reading.markets.markets(after=None, limit=_MARKETS_MAX)
        return names_in([view.market for view in found], language)

    names = await pages.shown.get(("names", language), make, kept_s=_KEPT_S)
    assert isinstance(names, Names)
    return names
