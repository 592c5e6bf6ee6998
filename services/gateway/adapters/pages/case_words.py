"""Cases of surveillance in words: kinds, severities, states, and what was measured."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from services.core.errors import Message
from services.core.surveillance.cases import SENTENCES, CaseKind
from services.gateway.adapters.pages.codes import word
from services.gateway.adapters.pages.figures import shown
from services.gateway.adapters.pages.words import for_people
from suanli import vocabulary
from suanli.vocabulary import CASE_KINDS, REPORTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.surveillance import CaseView
    from services.gateway.adapters.pages.figures import Kind

# As they stand alone, in a cell or above a case.
KINDS = {name: (en[0].upper() + en[1:], zh) for name, (en, zh) in CASE_KINDS.items()}
_FIGURE_KINDS: dict[str, Kind] = {
    "area": "text",
    "loss": "money",
    "median": "price",
    "move_ppm": "ppm",
    "pool": "text",
    "price": "price",
    "round_id": "text",
    "rsi_ppm": "ppm",
    "share_ppm": "ppm",
    "top_ppm": "ppm",
}
FIGURES: dict[str, tuple[str, str, Kind]] = {
    name: (*said, _FIGURE_KINDS.get(name, "count")) for name, said in vocabulary.FIGURES.items()
}
"""Name of what was measured -> (English, Chinese, how it is read)."""


def measured(figures: dict[str, int | str]) -> list[tuple[tuple[str, str], str]]:
    """Return what was measured in a case: its name in both languages, and its value."""
    found = []
    for name, value in figures.items():
        plain = name.replace("_", " ")
        en, zh, kind = FIGURES.get(name, (plain, plain, "count"))
        found.append(((en, zh), shown(kind, value)))
    return found


def found(case: CaseView) -> Message:
    """Return what a case is about, for people: its prices are in yuan and its regions have names.

    A case that was told in words of its own keeps them.
    """
    told = SENTENCES.get(CaseKind(case.kind))
    if told is None or _filled(told[0], case.figures) != case.summary.en:
        return for_people(Message(case.summary.en, case.summary.zh))
    en, zh = (
        template.format_map(
            {name: _figure(name, value, language) for name, value in case.figures.items()}
        )
        for template, language in zip(told, ("en", "zh"), strict=True)
    )
    return for_people(Message(en, zh))


def _filled(sentence: str, figures: dict[str, int | str]) -> str | None:
    names = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    return sentence.format_map(figures) if names <= figures.keys() else None


def _figure(name: str, value: int | str, language: str) -> int | str:
    if isinstance(value, int):
        return (
            shown("price", value) if FIGURES.get(name, ("", "", "count"))[2] == "price" else value
        )
    region, slash, chip = value.partition("/")
    return f"{word(region, language, REPORTED)}{slash}{chip}" if region in REPORTED else value


FILTERS: dict[str, Callable[..., Message]] = {"found": found}
