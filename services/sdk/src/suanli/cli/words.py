"""Words of the exchange in English and Chinese, and the columns that several lists share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from suanli import vocabulary
from suanli.cli import units
from suanli.cli.render import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from suanli.cli.session import Text

Json = dict[str, Any]

_PRICE_PLACES: Final = 4
_MICRO: Final = re.compile(r"(?<![\d.,])(\d{1,18}) ?(micro-yuan|微元)")
_AMOUNTS: Final = ("needed", "free", "keep")
TERMINAL: Final = frozenset({"filled", "cancelled", "expired", "rejected"})

_STATEMENT: Final[vocabulary.Table] = {
    "opening": ("opening balance", "期初余额"),
    "closing": ("closing balance", "期末余额"),
}

YUAN_PER_CHIP_HOUR: Final[Text] = ("yuan/chip-hour", "元/卡时")


def state(value: str | None) -> Text:
    """Return an order's state."""
    return vocabulary.words(value or "", vocabulary.ORDER_STATES)


def round_word(value: str | None) -> Text:
    """Return a round's state or status."""
    return vocabulary.words(value or "", vocabulary.ROUND_STATES, vocabulary.CLEARINGS)


def event(kind: str) -> Text:
    """Return what happened to an order."""
    return vocabulary.words(kind, vocabulary.STEPS)


def purpose(item: Json) -> Text:
    """Return why something was booked."""
    name = str(item["purpose"])
    en, zh = vocabulary.words(name, vocabulary.PURPOSES, _STATEMENT)
    return (en.replace("_", " "), zh)


def all_words(codes: Sequence[str], table: vocabulary.Table) -> Text:
    """Return several codes in words."""
    found = [vocabulary.words(code, table) for code in codes]
    return (", ".join(en for en, _ in found), "、".join(zh for _, zh in found))


def coded_column(name: str, head: Text, key: str, table: vocabulary.Table) -> Column:
    """Return a column of a code: in words for people, as it is in CSV."""
    return Column(
        name,
        head,
        lambda item: vocabulary.words(str(item.get(key) or ""), table),
        lambda item: item.get(key),
    )


def scopes_column() -> Column:
    """Return the column of what a key or a member may do."""
    return Column(
        "scopes",
        ("scopes", "权限范围"),
        lambda item: all_words(item["scopes"], vocabulary.SCOPES),
        lambda item: ", ".join(item["scopes"]),
    )


def reason(item: Json) -> Text:
    """Return the sentence of something's reason, with its amounts in yuan."""
    found = item.get("reason") or {}
    en, zh = str(found.get("en", "")), str(found.get("zh", ""))
    params = found.get("params") or {}
    amounts = [params[name] for name in _AMOUNTS if isinstance(params.get(name), int)]
    en, zh = replaced((en, zh), {amount: (units.yuan(amount),) * 2 for amount in amounts})
    return (_in_yuan(en).replace("micro-yuan", "yuan"), _in_yuan(zh).replace("微元", "元"))


def replaced(said: Text, numbers: Mapping[int, Text]) -> Text:
    """Return a sentence with whole numbers in it told otherwise."""
    en, zh = said
    for number in sorted(numbers, reverse=True):
        alone = re.compile(rf"(?<![\d.,]){number}(?!\d)")
        en, zh = (alone.sub(to, text) for to, text in zip(numbers[number], (en, zh), strict=True))
    return (en, zh)


def _in_yuan(text: str) -> str:
    return _MICRO.sub(lambda found: f"{units.yuan(int(found[1]))} {found[2]}", text)


def yes(value: object) -> Text:
    """Return yes, no, or nothing if it is not known."""
    if value is None:
        return ("", "")
    return ("yes", "是") if value else ("no", "否")


def count(value: int | None) -> str:
    """Return a whole number with its thousands set apart."""
    return "" if value is None else f"{value:,}"


def money(value: int | None) -> str:
    """Return micro-yuan as yuan."""
    return "" if value is None else units.yuan(value)


def money_plain(value: int | None) -> str:
    """Return micro-yuan as yuan without grouping."""
    return "" if value is None else units.yuan(value, grouped=False)


def money_column(name: str, head: Text, key: str) -> Column:
    """Return a column of an amount; its header ends with the unit."""
    return Column(
        f"{name}_yuan",
        (f"{head[0]} (yuan)", f"{head[1]}(元)"),
        lambda item: money(item.get(key)),
        lambda item: money_plain(item.get(key)),
        number=True,
    )


def price(value: int | None) -> str:
    """Return micro-yuan as yuan to the usual tick's four places, so that columns line up."""
    return "" if value is None else units.yuan(value, places_min=_PRICE_PLACES)


def price_column(name: str, head: Text, key: str) -> Column:
    """Return a column of a price per chip-hour."""
    return Column(
        f"{name}_yuan",
        (f"{head[0]} (yuan)", f"{head[1]}(元)"),
        lambda item: price(item.get(key)),
        lambda item: money_plain(item.get(key)),
        number=True,
    )


def count_column(name: str, head: Text, key: str) -> Column:
    """Return a column of a whole number."""
    return Column(
        name, head, lambda item: count(item.get(key)), lambda item: item.get(key), number=True
    )


def text_column(name: str, head: Text, key: str) -> Column:
    """Return a column of a text as it is."""
    return Column(name, head, lambda item: str(item.get(key) or ""))


def time_column(name: str, head: Text, key: str, *, seconds: bool = False) -> Column:
    """Return a column of an instant, in UTC."""
    return Column(
        name,
        (f"{head[0]} (UTC)", f"{head[1]}(UTC)"),
        lambda item: units.short_time(item.get(key), seconds=seconds),
        lambda item: item.get(key),
    )
