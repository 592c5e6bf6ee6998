"""The client of the Suanli Exchange.

``suanli.Client`` and ``suanli.AsyncClient`` talk to an exchange; ``suanli.checker`` verifies a
round without one. Names load when they are first used, so that the import costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from suanli.client import AsyncClient, Client
    from suanli.direct import DirectAccess, DirectOrder, DirectProducer
    from suanli.errors import ApiError, SuanliError, UnreachableError
    from suanli.signing import SigningKey

__version__ = "0.1.0"
__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "DirectAccess",
    "DirectOrder",
    "DirectProducer",
    "SigningKey",
    "SuanliError",
    "UnreachableError",
    "__version__",
]

_HOME: Final[dict[str, str]] = {
    "ApiError": "suanli.errors",
    "AsyncClient": "suanli.client",
    "Client": "suanli.client",
    "DirectAccess": "suanli.direct",
    "DirectOrder": "suanli.direct",
    "DirectProducer": "suanli.direct",
    "SigningKey": "suanli.signing",
    "SuanliError": "suanli.errors",
    "UnreachableError": "suanli.errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'suanli' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
