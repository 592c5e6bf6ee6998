"""The gateway's SQL, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from services.kit.postgres import Queries

if TYPE_CHECKING:
    from schemas.filters import Filter

SQL = Queries.load(Path(__file__).parent / "sql")


def sql_of(where: Filter | None) -> str | None:
    """Return a filter as the parameter of a query."""
    return None if where is None else where.to_json()
