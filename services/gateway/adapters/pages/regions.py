"""A schematic map of Beijing, Tianjin and Hebei, drawn for this page by hand."""

from __future__ import annotations

from dataclasses import dataclass

from suanli.vocabulary import REGIONS

_WEST, _NORTH = 113.2, 42.9
_WIDTH_PER_DEGREE, _HEIGHT_PER_DEGREE = 62.0, 80.0
VIEW = "0 0 440 560"

# Degrees east and north, from a glance at an atlas: shapes to point at, no survey.
_HEBEI = (
    (113.85, 36.33), (113.75, 37.05), (113.55, 38.25), (114.35, 38.95), (113.95, 39.9),
    (114.1, 40.75), (113.95, 41.2), (114.9, 42.1), (115.9, 41.9), (116.2, 41.85),
    (116.9, 42.4), (117.45, 42.6), (118.1, 42.05), (118.35, 41.85), (119.25, 41.3),
    (119.0, 40.75), (119.55, 40.5), (119.85, 40.0), (119.45, 39.75), (119.25, 39.35),
    (118.55, 38.95), (118.05, 39.22), (117.75, 38.9), (117.55, 38.6), (117.85, 38.28),
    (117.45, 37.9), (116.75, 37.85), (116.3, 37.5), (115.85, 37.05), (115.5, 36.75),
    (115.3, 36.1), (114.9, 36.05), (114.4, 36.2),
)  # fmt: skip
_BEIJING = (
    (115.45, 39.95), (115.75, 39.55), (116.2, 39.58), (116.45, 39.46), (116.8, 39.62),
    (116.92, 39.85), (116.75, 40.02), (117.2, 40.1), (117.4, 40.25), (117.3, 40.6),
    (116.95, 40.72), (116.65, 41.04), (116.35, 40.92), (116.1, 40.65), (115.8, 40.52),
    (115.95, 40.28), (115.55, 40.1),
)  # fmt: skip
_TIANJIN = (
    (117.25, 40.1), (117.62, 40.24), (117.78, 40.05), (117.55, 39.9), (117.65, 39.58),
    (117.88, 39.38), (118.05, 39.22), (117.75, 38.98), (117.6, 38.7), (117.48, 38.57),
    (117.12, 38.62), (116.75, 38.88), (116.88, 39.12), (116.85, 39.42), (117.0, 39.62),
    (117.2, 39.85),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A region on the map.

    Attributes:
        region: Its id.
        en: Its name.
        zh: Its name in Chinese.
        points: Its outline in the map's units.
        x: Where its label stands.
        y: The same, downwards.
    """

    region: str
    en: str
    zh: str
    points: str
    x: int
    y: int


def _points(outline: tuple[tuple[float, float], ...]) -> str:
    return " ".join(
        f"{(east - _WEST) * _WIDTH_PER_DEGREE:.0f},{(_NORTH - north) * _HEIGHT_PER_DEGREE:.0f}"
        for east, north in outline
    )


# Hebei lies around the two cities, so it is drawn before them.
PLACES = (
    Place("hebei", *REGIONS["hebei"], _points(_HEBEI), 118, 385),
    Place("beijing", *REGIONS["beijing"], _points(_BEIJING), 197, 214),
    Place("tianjin", *REGIONS["tianjin"], _points(_TIANJIN), 330, 318),
)
