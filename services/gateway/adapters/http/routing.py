"""Which routers are asked for a request.

FastAPI asks every route of every router in turn, which took a quarter of the time of a light
request with our 120 operations and the pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.routing import Match

if TYPE_CHECKING:
    from starlette.types import Scope

_VERSION = "v1"


class Routes(APIRouter):
    """A router that is asked for paths alone that begin like one of its own."""

    _heads: frozenset[str] = frozenset()
    _heads_of = 0

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route fits, and what it adds to the scope."""
        if self._heads_of != len(self.routes):
            self._heads = frozenset(head_of(getattr(route, "path", "")) for route in self.routes)
            self._heads_of = len(self.routes)
            assert not any("{" in head for head in self._heads), "a path must begin with a word"
        if head_of(scope["path"]) not in self._heads:
            return Match.NONE, {}
        return super().matches(scope)


def head_of(path: str) -> str:
    """Return what tells one router's paths from another's: the first word after the version."""
    parts = path.split("/", 3)
    word = parts[2] if len(parts) > 2 and parts[1] == _VERSION else parts[min(1, len(parts) - 1)]
    return word.partition(":")[0]
