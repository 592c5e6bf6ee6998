"""Data frames of what the exchange lists (`pip install suanli[data]`)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from suanli.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    import polars as pl

    from suanli.operations import Json

_UNIT = "_micro_yuan"


def to_polars(rows: Sequence[Json], model: str) -> pl.DataFrame:
    """Return rows of a model as a Polars frame.

    Raises:
        ModuleNotFoundError: if Polars is not installed.
    """
    import polars as pl  # noqa: PLC0415 - an extra, loaded when it is used

    columns = columns_of(rows, model)
    return pl.DataFrame(
        [
            pl.Series(name, values, dtype=pl.Int64 if is_whole(values) else None, strict=False)
            for name, values in columns.items()
        ]
    )


def to_pandas(rows: Sequence[Json], model: str) -> pd.DataFrame:
    """Return rows of a model as a pandas frame; whole numbers stay whole where some are missing.

    Raises:
        ModuleNotFoundError: if pandas is not installed.
    """
    import pandas as pd  # noqa: PLC0415 - an extra, loaded when it is used

    columns = columns_of(rows, model)
    return pd.DataFrame(
        {
            # A float, pandas' own choice for numbers with gaps, would round large amounts.
            name: pd.array(values, dtype="Int64") if is_whole(values) else values
            for name, values in columns.items()
        }
    )


def columns_of(rows: Sequence[Json], model: str) -> dict[str, list[Any]]:
    """Return rows as columns: fields inside others by dotted names, money with its unit."""
    money, instants = COLUMNS[model]
    flat = [dict(_flat(row, "", "", money, instants)) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    return {name: [row.get(name) for row in flat] for name in names}


def is_whole(values: Sequence[object]) -> bool:
    """Return whether values are whole numbers, some of them missing perhaps."""
    found = {type(value) for value in values}
    return int in found and found <= {int, type(None)}


def _flat(
    row: Json, path: str, name: str, money: frozenset[str], instants: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        here = f"{path}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{here}.", f"{name}{key}.", money, instants)
        else:
            unit = _UNIT if here in money else ""
            yield f"{name}{key}{unit}", _value(value, here, money, instants)


def _value(value: Any, path: str, money: frozenset[str], instants: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [
            dict(_flat(item, f"{path}.", "", money, instants)) if isinstance(item, dict) else item
            for item in value
        ]
    if path in instants and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value
