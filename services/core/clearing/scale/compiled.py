"""The one place that knows the compiler.

No fast math: sums keep the order in which they are written, and nothing but the four operations
of IEEE 754 is used, so that every machine gets the same bytes. Compiled code is cached beside
its source; the lock on the interpreter is released while it runs. What is cached holds the code and
the constants of what it calls, too, so it is good for one state of all these sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., object])

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
# Said both ways: else whoever is compiled for a caller takes over what that caller was told, and a
# process that finds some of the code in the cache and not the rest could not compile it.
_COUNTED: dict[str, Any] = {**_OPTIONS, "_nrt": True}
_UNCOUNTED: dict[str, Any] = {**_OPTIONS, "_nrt": False}


_HERE = Path(__file__).resolve().parent
# Compiled code of this folder holds constants of these.
_BESIDE = (_HERE.parent / "price_search.py", _HERE.parent.parent / "routes.py")


def stamp_of(sources: Iterable[Path]) -> str:
    """Return a name for the state of some sources."""
    digest = sha256()
    for source in sorted(sources):
        digest.update(sha256(source.read_bytes()).digest())
    return digest.hexdigest()


_STAMP = stamp_of([*_HERE.glob("*.py"), *_BESIDE])


def _cached(function: _F, options: dict[str, Any]) -> _F:
    made = numba.njit(**options)(function)
    # Numba itself would look at the function's own file alone, and run code that holds another
    # file's old state after an upgrade.
    held = made._cache._cache_file  # noqa: SLF001 - no public way; the locks pin numba
    held._source_stamp = (held._source_stamp, _STAMP)  # noqa: SLF001
    return cast("_F", made)


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and keep the machine code for later processes.

    It may make no array, so that none is counted: a call hands over a few dozen arrays, and every
    count is an atomic operation (decision 0026).
    """
    return _cached(function, _UNCOUNTED)


def allocating(function: _F) -> _F:
    """Compile a function that makes arrays, or is handed one by a function that does."""
    return _cached(function, _COUNTED)
