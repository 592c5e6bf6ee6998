"""The gateway's SQL, by name."""

from __future__ import annotations

from pathlib import Path

from services.kit.postgres import Queries

SQL = Queries.load(Path(__file__).parent / "sql")
