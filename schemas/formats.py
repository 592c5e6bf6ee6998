"""File formats of a clearing: book, rules, result and round file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

FORMATS: dict[str, type[BaseModel]] = {}
"""Format name (``suanli.book.v1`` ...) -> model; ``schemas.generate`` writes their schemas."""
