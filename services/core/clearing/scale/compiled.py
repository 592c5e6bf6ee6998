"""The one place that knows the compiler.

No fast math: sums keep the order in which they are written, and nothing but the four operations
of IEEE 754 is used, so that every machine gets the same bytes. Compiled code is cached beside
its source; the lock on the interpreter is released while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., object])


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and keep the machine code for later processes."""
    return cast("_F", numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function))


def allocating(function: _F) -> _F:
    """Compile a function that makes arrays."""
    return cast("_F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
