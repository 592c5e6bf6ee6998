"""A few shapes of SVG as text: all that the report's charts are made of.

Colours are CSS classes, so that one picture serves light and dark pages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from infra.demo.facts import Phrase

_NARROW = 400.0
"""Wider pictures would be too small to read on a phone."""

Point = tuple[float, float]


def tag(name: str, *children: str, **attributes: object) -> str:
    """Return an element; ``class_`` gives ``class``, underscores become hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(children)}</{name}>"


def both(phrase: Phrase, name: str = "span", **attributes: object) -> str:
    """Return a text twice, English and Chinese; the page shows one of them."""
    english, chinese = (escape(text) for text in phrase)
    if english == chinese:
        return tag(name, english, **attributes)
    kind = str(attributes.pop("class_", ""))
    return tag(name, english, class_=f"{kind} en".strip(), **attributes) + tag(
        name, chinese, class_=f"{kind} zh".strip(), **attributes
    )


def label(x: float, y: float, phrase: Phrase, kind: str = "tick", anchor: str = "start") -> str:
    """Return a text at a place."""
    return both(phrase, "text", x=x, y=y, class_=kind, text_anchor=anchor)


def rect(box: tuple[float, float, float, float], kind: str, hint: str = "") -> str:
    """Return a rectangle (x, y, width, height) with a text that shows when pointed at."""
    x, y, width, height = box
    inside = (tag("title", escape(hint)),) if hint else ()
    return tag(
        "rect", *inside, x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=kind
    )


def line(points: Sequence[Point | None], kind: str) -> str:
    """Return a line through points; ``None`` interrupts it."""
    steps = []
    pen = "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        steps.append(f"{pen}{_text(point[0])} {_text(point[1])}")
        pen = "L"
    return tag("path", d="".join(steps), class_=kind)


def staircase(points: Sequence[Point], width: float) -> list[Point]:
    """Return the corners of steps that are ``width`` wide and start at each point's x."""
    return [(x + shift, y) for x, y in points for shift in (0.0, width)]


def picture(width: float, height: float, title: Phrase, shapes: Iterable[str]) -> str:
    """Return a whole picture that scales with the page; on a phone a wide one scrolls instead."""
    drawn = tag(
        "svg",
        *shapes,
        viewBox=f"0 0 {_text(width)} {_text(height)}",
        role="img",
        aria_label=" / ".join(title),
        xmlns="http://www.w3.org/2000/svg",
    )
    return tag("div", drawn, class_="scroll wide") if width > _NARROW else drawn


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to a stretch of the picture.

    Attributes:
        low: Least value.
        high: Greatest value, above ``low``.
        start: Place of the least.
        end: Place of the greatest.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        span = self.high - self.low
        return self.start + (value - self.low) / span * (self.end - self.start)


def nice_ticks(high: float, count: int = 4) -> list[float]:
    """Return round values from 0 to at least ``high``, about ``count`` steps apart."""
    if high <= 0 or not math.isfinite(high):
        return [0.0, 1.0]
    raw = high / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    steps = math.ceil(high / step - 1e-9)
    return [index * step for index in range(steps + 1)]


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
