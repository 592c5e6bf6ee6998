"""The one place that knows the compiler.

No fast math: sums keep the order in which they are written, and nothing but the four operations
of IEEE 754 is used, so that every machine gets the same bytes. Compiled code is cached beside
its source; the lock on the interpreter is released while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., object])

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
# Said both ways: else whoever is compiled for a caller takes over what that caller was told, and a
# process that finds some of the code in the cache and not the rest could not compile it.
_COUNTED: dict[str, Any] = {**_OPTIONS, "_nrt": True}
_UNCOUNTED: dict[str, Any] = {**_OPTIONS, "_nrt": False}


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and keep the machine code for later processes.

    It may make no array, so that none is counted: a call hands over a few dozen arrays, and every
    count is an atomic operation (decision 0026).
    """
    return cast("_F", numba.njit(**_UNCOUNTED)(function))


def allocating(function: _F) -> _F:
    """Compile a function that makes arrays, or is handed one by a function that does."""
    return cast("_F", numba.njit(**_COUNTED)(function))
