"""What of the comparison of books changed since it was kept last, and a digest over all of it.

The digest is the sum of the parts' own digests, so that it can be brought up to date by what
changed. It tells a note that was torn or changed by accident, not a forger who can add: against
him the log is read from its beginning again after a while, see `services.auditor.book_keeper`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from services.kit.snapshots import dumps, loads

Place = tuple[str, str, object]
"""(market, name, key) of a part; the market is empty for what belongs to all."""

Row = tuple[str, str, str, str]
"""(market, name, key, body) of a part, as it is kept."""

ALLOWED = ("schemas", "services.core")
_MODULUS = 1 << 256
# Compared by value; of what is frozen, the same object is the same value. The rest is written anew.
_PLAIN = (type(None), bool, int, str, Enum)
_MUTABLE = (list, dict, set)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be written.

    Attributes:
        put: Parts that are new or changed.
        dropped: (market, name, key) of parts that are gone.
        over: (market, name, key, own digest) of parts that are let go, after they were put.
        count: Parts in all, but for those that were let go.
        digest: Digest over them.
    """

    put: tuple[Row, ...]
    dropped: tuple[tuple[str, str, str], ...]
    over: tuple[tuple[str, str, str, bytes], ...]
    count: int
    digest: bytes


@dataclass(slots=True)
class _Kept:
    value: object
    key: str
    digest: int


@dataclass(slots=True)
class Parts:
    """What is kept: each part's value, and the digest of its row."""

    _kept: dict[Place, _Kept] = field(default_factory=dict)
    _sum: int = 0

    def difference(
        self, now: Iterable[tuple[Place, object]], over: Iterable[Place] = ()
    ) -> Difference:
        """Return what changed, and take it for kept.

        Args:
            now: All parts.
            over: Those of them to let go: the store has them, nobody here does.

        Raises:
            TypeError: if a value cannot be written; nothing is to be relied on then.
        """
        put: list[Row] = []
        gone = set(self._kept)
        for place, value in now:
            gone.discard(place)
            held = self._kept.get(place)
            if held is not None and _is_same(held.value, value):
                continue
            market_id, name, key = place
            row = (market_id, name, dumps(key) if held is None else held.key, dumps(value))
            digest = _digest(row)
            if held is not None and held.digest == digest:
                held.value = value
                continue
            self._sum += digest - (0 if held is None else held.digest)
            self._kept[place] = _Kept(value, row[2], digest)
            put.append(row)
        dropped = []
        for place in gone:
            held = self._kept.pop(place)
            self._sum -= held.digest
            dropped.append((place[0], place[1], held.key))
        let_go = []
        for place in over:
            held = self._kept.pop(place)
            self._sum -= held.digest
            let_go.append((place[0], place[1], held.key, _bytes(held.digest)))
        count = len(self._kept)
        return Difference(tuple(put), tuple(dropped), tuple(let_go), count, self.digest)

    def take(self, rows: Iterable[Row]) -> None:
        """Take rows that were kept.

        Raises:
            ValueError: if one is not as it was written.
        """
        for row in rows:
            market_id, name, key, body = row
            place = (market_id, name, loads(key, ALLOWED))
            digest = _digest(row)
            self._kept[place] = _Kept(loads(body, ALLOWED), key, digest)
            self._sum += digest

    def __len__(self) -> int:
        """Return how many parts there are."""
        return len(self._kept)

    def __iter__(self) -> Iterator[tuple[Place, Any]]:
        """Yield the parts in the order in which they came."""
        for place, held in self._kept.items():
            yield place, held.value

    @property
    def digest(self) -> bytes:
        """Return the digest over all."""
        return _bytes(self._sum)


def value_of(row: Row, digest: bytes) -> Any:  # noqa: ANN401 - whatever was let go
    """Return the value of a part that was let go.

    Raises:
        ValueError: if it is not as it was written.
    """
    if _bytes(_digest(row)) != digest:
        raise ValueError(f"{row[0]} {row[1]} {row[2]}: does not fit its digest")
    return loads(row[3], ALLOWED)


def key_of(key: object) -> str:
    """Return a part's key as it is kept."""
    return dumps(key)


def _bytes(digest: int) -> bytes:
    return (digest % _MODULUS).to_bytes(32, "big")


def _is_same(held: object, value: object) -> bool:
    if isinstance(value, _MUTABLE):
        return False
    if isinstance(value, _PLAIN):
        return type(held) is type(value) and held == value
    return held is value


def _digest(row: Row) -> int:
    text = "\0".join(row).encode()
    return int.from_bytes(hashlib.sha256(text).digest(), "big")
