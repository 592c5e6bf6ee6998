"""Improve an incumbent by search (see `model`)."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.clearing.certificate import Ascent
from services.core.clearing.response import Choices
from services.core.clearing.selection import Selection


@dataclass(frozen=True, slots=True)
class Found:
    """What the search ended with.

    Attributes:
        selection: A valid selection, never worse than the incumbent.
        proven: Whether no price-supported selection has more welfare.
    """

    selection: Selection
    proven: bool


def improve(choices: Choices, incumbent: Selection, ascent: Ascent) -> Found:
    """Return a better selection if the effort suffices to find one."""
    return Found(incumbent, proven=False)
