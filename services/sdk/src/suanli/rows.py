"""Lists of the exchange: iterators over all pages, and data frames of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import pandas as pd
    import polars as pl

    from suanli.calling import AsyncCaller, Caller
    from suanli.operations import Json, Operation

Row = TypeVar("Row")
# The most that the exchange gives at once; a list of any length takes the fewest calls.
_PAGE = 500


class Rows(Generic[Row]):
    """A list of the exchange; going over it fetches page by page, each time anew.

    ``for row in client.list_prices(market_id="jjj-spot")`` sees every row;
    ``client.list_prices(market_id="jjj-spot").to_polars()`` is a data frame of them.
    """

    def __init__(self, caller: Caller, operation: Operation, model: str) -> None:
        """Note what to ask for; nothing is sent yet."""
        self._caller = caller
        self._operation = operation
        self._model = model

    def __iter__(self) -> Iterator[Row]:
        """Yield every row, fetching the next page when it is needed."""
        cursor: str | None = None
        while True:
            page = self._caller.send(_page(self._operation, cursor))
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def to_polars(self) -> pl.DataFrame:
        """Return all rows as a Polars frame (`pip install suanli[data]`).

        Money stays an integer, and its column is called so: ``price_micro_yuan``. Instants are
        in UTC. A field inside another is ``outer.inner``; a list stays a list.
        """
        from suanli.frames import to_polars  # noqa: PLC0415 - an extra, loaded when it is used

        return to_polars(self._all(), self._model)

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a pandas frame (`pip install suanli[data]`); as `to_polars`."""
        from suanli.frames import to_pandas  # noqa: PLC0415 - an extra, loaded when it is used

        return to_pandas(self._all(), self._model)

    def _all(self) -> list[Json]:
        found: list[Any] = list(self)
        return found


class AsyncRows(Generic[Row]):
    """`Rows` for asyncio: ``async for row in client.list_prices(...)``."""

    def __init__(self, caller: AsyncCaller, operation: Operation, model: str) -> None:
        """Note what to ask for; nothing is sent yet."""
        self._caller = caller
        self._operation = operation
        self._model = model

    async def __aiter__(self) -> AsyncIterator[Row]:
        """Yield every row, fetching the next page when it is needed."""
        cursor: str | None = None
        while True:
            page = await self._caller.send(_page(self._operation, cursor))
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def to_polars(self) -> pl.DataFrame:
        """Return all rows as a Polars frame; see `Rows.to_polars`."""
        from suanli.frames import to_polars  # noqa: PLC0415 - an extra, loaded when it is used

        return to_polars(await self._all(), self._model)

    async def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a pandas frame; see `Rows.to_pandas`."""
        from suanli.frames import to_pandas  # noqa: PLC0415 - an extra, loaded when it is used

        return to_pandas(await self._all(), self._model)

    async def _all(self) -> list[Json]:
        found: list[Any] = [row async for row in self]
        return found


def _page(operation: Operation, cursor: str | None) -> Operation:
    return replace(operation, params=operation.params | {"limit": _PAGE, "cursor": cursor})
