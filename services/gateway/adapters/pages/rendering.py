"""Templates, and how numbers, money and instants are shown in them."""

from __future__ import annotations

import gzip
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from services.gateway.adapters.http.context import csv_of
from services.gateway.adapters.pages.assets import address_of
from suanli.check_chinese import finding_in_chinese

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.base import Model
    from services.core.errors import Message

BEIJING = timezone(timedelta(hours=8))
# Nothing inline, nothing from elsewhere: what could be injected does not run.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    # Forms prove where they are from by their origin, which `no-referrer` would hide.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Accept-Encoding, Cookie",
}
# A packet or two are not worth packing.
_PACKED_BYTES_MIN = 2_000
_PACKING_LEVEL = 4
_MICRO = 1_000_000
_SPANS = (("d", "h", "min", "s"), ("天", "小时", "分", "秒"))
EXPORTED_MAX = 5_000
"""Rows of a list that a file holds; whoever needs more asks the API, page by page."""

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def yuan(micro: int | None, digits: int = 2) -> str:
    """Return micro-yuan in yuan, rounded half up to so many digits, with thousands apart."""
    if micro is None:
        return "–"
    unit = _MICRO // 10**digits
    rounded = (abs(micro) + unit // 2) // unit
    whole, part = divmod(rounded, 10**digits)
    sign = "−" if micro < 0 and rounded else ""
    return f"{sign}¥{whole:,}.{part:0{digits}d}" if digits else f"{sign}¥{whole:,}"


def plain_yuan(micro: int | None) -> str:
    """Return micro-yuan in yuan, exactly and without signs, for machines."""
    if micro is None:
        return ""
    whole, part = divmod(abs(micro), _MICRO)
    text = f"{'-' if micro < 0 else ''}{whole}.{part:06d}"
    return text.rstrip("0").rstrip(".")


def count(number: int | None) -> str:
    """Return a whole number with thousands apart."""
    return "–" if number is None else f"{number:,}"


def chip_hours(number: int, language: str) -> str:
    """Return chip-hours with their unit."""
    if language == "zh":
        return f"{count(number)} 卡时"
    return f"{count(number)} chip-hour{'s' if number != 1 else ''}"


def percent(ppm: int | None, digits: int = 2) -> str:
    """Return millionths in percent, rounded half up."""
    if ppm is None:
        return "–"
    unit = 10_000 // 10**digits
    rounded = (abs(ppm) + unit // 2) // unit
    whole, part = divmod(rounded, 10**digits)
    sign = "−" if ppm < 0 and rounded else ""
    return f"{sign}{whole}.{part:0{digits}d} %" if digits else f"{sign}{whole} %"


def clock(instant: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return an instant in Beijing time."""
    return "–" if instant is None else instant.astimezone(BEIJING).strftime(form)


def instant(text: str | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return an instant of the wire in Beijing time."""
    return "–" if text is None else clock(datetime.fromisoformat(text), form)


def lasting(seconds: int, language: str) -> str:
    """Return a span of time in its largest unit and what is left in the next."""
    names = _SPANS[language == "zh"]
    parts = [seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60, seconds % 60]
    first = next((place for place, number in enumerate(parts) if number), len(parts) - 1)
    shown = [place for place in (first, first + 1) if place == first or any(parts[place:][:1])]
    return " ".join(f"{parts[place]} {names[place]}" for place in shown)


def share_ppm(part: int | None, whole: int | None) -> int | None:
    """Return a part in millionths of the whole; ``None`` of nothing."""
    return part * 1_000_000 // whole if part is not None and whole else None


ENVIRONMENT.filters |= {
    "yuan": yuan,
    "plain_yuan": plain_yuan,
    "count": count,
    "chip_hours": chip_hours,
    "percent": percent,
    "clock": clock,
    "instant": instant,
    "lasting": lasting,
    "finding_in_chinese": finding_in_chinese,
}
# Address, names, and for whom; for everybody if no role is named.
NAVIGATION: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("/", "Market", "市场", ()),
    ("/rounds", "Rounds", "轮次", ()),
    ("/desk", "Desk", "工作台", ("provider", "enterprise", "regulator", "operator")),
    ("/orders", "Orders", "订单", ("provider", "enterprise")),
    ("/money", "Money", "资金", ("provider", "enterprise")),
    ("/keys", "Keys", "密钥", ("provider", "enterprise")),
    ("/members", "Members", "成员", ("provider", "enterprise", "regulator", "operator")),
    ("/office", "Supervision", "监管", ("regulator",)),
    ("/office", "Operations", "运营", ("operator",)),
)
ENVIRONMENT.globals |= {"asset": address_of, "share_ppm": share_ppm, "nav": NAVIGATION}


# Terminals take punctuation of half a width; on pages it is as wide as the characters beside it.
_MARKS = str.maketrans(",:;?!", "，：；？！")
_MARK = re.compile(r"(?<=[一-鿿])[,:;?!] ?|[,:;?!] ?(?=[一-鿿])")
_IN_PARENTHESES = re.compile(r"(?<=[一-鿿])\(([^()]*)\)")
_TEXTS_KEPT = 4_096


@lru_cache(_TEXTS_KEPT)
def chinese(text: str) -> str:
    """Return a Chinese text with punctuation of full width beside Chinese characters."""
    text = _IN_PARENTHESES.sub(r"（\1）", text)
    return _MARK.sub(lambda found: found[0].strip().translate(_MARKS), text)


def speaker(language: str) -> Callable[[str, str], str]:
    """Return what picks one of an English and a Chinese text; both stand side by side."""
    return (lambda _en, zh: chinese(zh)) if language == "zh" else (lambda en, _zh: en)


def say(language: str, message: Message) -> str:
    """Return a message in a language."""
    return chinese(message.zh) if language == "zh" else message.en


def render(template: str, language: str, **context: Any) -> str:  # noqa: ANN401 - any value
    """Return a template filled in."""
    return ENVIRONMENT.get_template(template).render(
        language=language, _=speaker(language), **context
    )


def csv_response(text: str, name: str) -> Response:
    """Return a table as a file.

    Args:
        text: The table as CSV.
        name: Of the file, without its suffix.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, 200, headers, "text/csv; charset=utf-8")


def list_response(items: Sequence[Model], name: str) -> Response:
    """Return what a page lists as a file, with all that the API tells of each item.

    Args:
        items: The items, at most `EXPORTED_MAX`.
        name: Of the file, without its suffix.
    """
    return csv_response(csv_of(items), name)


def page_response(html: str, status: int = 200, *, packs: bool = False) -> Response:
    """Return a page as a response.

    Args:
        html: The page.
        status: Its status.
        packs: Whether to compress it: a page with a secret in it had better not be.
    """
    body = html.encode()
    headers = dict(_HEADERS)
    if packs and len(body) >= _PACKED_BYTES_MIN:
        body = gzip.compress(body, _PACKING_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, "text/html; charset=utf-8")
