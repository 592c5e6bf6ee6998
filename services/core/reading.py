"""Strict reading of parsed JSON objects: closed, typed, ranged, with paths in every error."""

from __future__ import annotations

import re
from typing import TypeAlias

from services.core.errors import Message, ValidationError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | object | None"

PRICE_MAX = 10_000_000_000
"""Highest price, micro-yuan per chip-hour: the wire's `schemas.base.PRICE_MAX_MICRO_YUAN`."""
CHIPS_MAX = 100_000_000
"""Chips of one order in a period: the wire's 100,000, times the largest equivalence of 1000."""
HOURS_MAX = CHIPS_MAX * 168
PERIOD_MAX = 10_000_000
"""Hours since the Unix epoch; past the year 3000."""
ROWS_MAX = 1_000_000
TEXT_MAX = 256

_SHA256 = re.compile(r"[0-9a-f]{64}")


def refuse(code: str, path: str, value: str, allowed: str) -> ValidationError:
    """Return the error that says what is wrong where, and what would do."""
    shown = value if len(value) <= 80 else f"{value[:77]}..."
    return ValidationError(
        code,
        Message(
            f"{path}: must be {allowed}, was {shown}",
            f"{path}：应为 {allowed}，实际为 {shown}",
        ),
        field=path,
        value=value,
        allowed=allowed,
    )


class Fields:
    """The fields of one JSON object, each taken exactly once.

    Args:
        value: What should be an object.
        path: Where it stands.
        expected: Value of its ``format`` field, ``""`` if it has none.
    """

    def __init__(self, value: Json, path: str, expected: str = "") -> None:
        if not isinstance(value, dict):
            raise refuse("validation.type", path, _shown(value), "an object")
        self.path = path
        self._left: dict[str, Json] = dict(value)
        if expected:
            found = self.value("format")
            if found != expected:
                raise refuse("validation.format", f"{path}.format", _shown(found), repr(expected))

    def names(self) -> list[str]:
        """Return the names of the fields not yet taken."""
        return list(self._left)

    def value(self, name: str) -> Json:
        """Take a field of any type."""
        if name not in self._left:
            raise refuse("validation.field", f"{self.path}.{name}", "missing", "there")
        return self._left.pop(name)

    def end(self) -> None:
        """Refuse what was not taken."""
        for name, value in self._left.items():
            raise refuse("validation.field", f"{self.path}.{name}", _shown(value), "left out")

    def text(self, name: str) -> str:
        """Take a printable text of 1 to 256 characters."""
        value = self.value(name)
        return _text(value, f"{self.path}.{name}")

    def text_or_none(self, name: str) -> str | None:
        """Take a text or null."""
        value = self.value(name)
        return None if value is None else _text(value, f"{self.path}.{name}")

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """Take a list of at least one text."""
        rows = self._list(name, 1, most)
        return tuple(_text(row, f"{self.path}.{name}[{i}]") for i, row in enumerate(rows))

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """Take a text of a closed list."""
        value = self.value(name)
        if not isinstance(value, str) or value not in allowed:
            raise refuse(
                "validation.range", f"{self.path}.{name}", _shown(value), " or ".join(allowed)
            )
        return value

    def digest(self, name: str) -> str:
        """Take a SHA-256 in lower-case hexadecimal."""
        value = self.value(name)
        if not isinstance(value, str) or _SHA256.fullmatch(value) is None:
            allowed = "64 lower-case hexadecimal digits"
            raise refuse("validation.type", f"{self.path}.{name}", _shown(value), allowed)
        return value

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self.value(name)
        if not isinstance(value, bool):
            raise refuse("validation.type", f"{self.path}.{name}", _shown(value), "true or false")
        return value

    def integer(self, name: str, least: int, most: int) -> int:
        """Take an integer of a closed range."""
        return _integer(self.value(name), f"{self.path}.{name}", least, most)

    def integer_or_none(self, name: str, least: int, most: int) -> int | None:
        """Take an integer or null."""
        value = self.value(name)
        return None if value is None else _integer(value, f"{self.path}.{name}", least, most)

    def scalar(self, name: str) -> int | str:
        """Take an integer or a text (which may be empty)."""
        value = self.value(name)
        if isinstance(value, str) and len(value) <= TEXT_MAX:
            return value
        return _integer(value, f"{self.path}.{name}", -(2**63) + 1, 2**63 - 1)

    def name(self, name: str) -> str:
        """Take a text that may be empty."""
        value = self.scalar(name)
        if not isinstance(value, str):
            raise refuse("validation.type", f"{self.path}.{name}", str(value), "a text")
        return value

    def integers(
        self, name: str, length: tuple[int, int], bounds: tuple[int, int]
    ) -> tuple[int, ...]:
        """Take a list of integers.

        Args:
            name: The field.
            length: Fewest and most entries.
            bounds: Least and greatest value of each.
        """
        rows = self._list(name, *length)
        path = f"{self.path}.{name}"
        return tuple(_integer(row, f"{path}[{i}]", *bounds) for i, row in enumerate(rows))

    def rows(self, name: str, most: int, least: int = 0) -> list[Fields]:
        """Take a list of objects."""
        rows = self._list(name, least, most)
        return [Fields(row, f"{self.path}.{name}[{i}]") for i, row in enumerate(rows)]

    def rows_if_any(self, name: str, most: int) -> list[Fields]:
        """Take a list of objects that is absent where there are none."""
        return self.rows(name, most) if name in self._left else []

    def part(self, name: str) -> Fields:
        """Take an object."""
        return Fields(self.value(name), f"{self.path}.{name}")

    def _list(self, name: str, least: int, most: int) -> list[Json]:
        value = self.value(name)
        path = f"{self.path}.{name}"
        if not isinstance(value, list):
            raise refuse("validation.type", path, _shown(value), "a list")
        if not least <= len(value) <= most:
            allowed = f"a list of {least} to {most}"
            raise refuse("validation.range", path, f"a list of {len(value)}", allowed)
        return value


def _text(value: Json, path: str) -> str:
    # Printable also keeps out lone surrogates, which UTF-8 cannot write, and terminal codes.
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX or not value.isprintable():
        allowed = f"printable text of 1 to {TEXT_MAX} characters"
        raise refuse("validation.type", path, _shown(value), allowed)
    return value


def _integer(value: Json, path: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse("validation.type", path, _shown(value), "an integer")
    if not least <= value <= most:
        raise refuse("validation.range", path, str(value), f"{least} to {most}")
    return value


def _shown(value: Json) -> str:
    return repr(value)[:200]
