"""Values of our own kinds as text and back, for state that is kept to be gone on with.

Frozen dataclasses, pydantic models, enumerations, instants and the usual containers. A text names
the kinds of what is in it; only classes of the packages that the reader allows are made of it, and
making one runs nothing but its own check. What cannot be written is a `TypeError`: whoever keeps
state keeps it whole or not at all.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable

Allowed = tuple[str, ...]
_PLAIN = (type(None), bool, int, str)


def dumps(value: object) -> str:
    """Return a value as text.

    Raises:
        TypeError: if it holds something of another kind, for example a float.
    """
    return json.dumps(_out(value), ensure_ascii=False, separators=(",", ":"))


def loads(text: str, allowed: Allowed) -> Any:  # noqa: ANN401 - whatever was written
    """Return the value that `dumps` wrote.

    Args:
        text: The text.
        allowed: Packages whose classes may be made, for example ``("schemas",)``.

    Raises:
        ValueError: if it is no such text, or names a class that is not allowed or not there.
    """
    try:
        return _in(json.loads(text), allowed)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a kept value must be as it was written, was {error!r}") from error


def _out(value: object) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Enum):
        return {"e": [_name(kind), value.value]}
    if isinstance(value, BaseModel):
        return {"m": [_name(kind), value.model_dump_json()]}
    if is_dataclass(kind):
        return {"c": [_name(kind), [_out(getattr(value, name)) for name in _fields(kind)]]}
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, dict):
        return {"d": [[_out(key), _out(one)] for key, one in value.items()]}
    if isinstance(value, list):
        return {"l": [_out(one) for one in value]}
    for mark, container in (("u", tuple), ("s", set), ("f", frozenset)):
        if kind is container:
            return {mark: [_out(one) for one in value]}  # type: ignore[attr-defined]
    raise TypeError(f"a kept value must be of a kind that can be written, was {kind}")


def _in(value: Any, allowed: Allowed) -> Any:  # noqa: ANN401 - JSON in, anything out
    if not isinstance(value, dict):
        return value
    ((mark, held),) = value.items()
    if mark == "e":
        return _class(held[0], allowed)(held[1])
    if mark == "m":
        return _class(held[0], allowed).model_validate_json(held[1])
    if mark == "c":
        made = _class(held[0], allowed)
        given = dict(zip(_fields(made), held[1], strict=True))
        return made(**{name: _in(one, allowed) for name, one in given.items()})
    if mark == "t":
        return datetime.fromisoformat(held)
    if mark == "d":
        return {_in(key, allowed): _in(one, allowed) for key, one in held}
    make: dict[str, Callable[[Any], Any]] = {"l": list, "u": tuple, "s": set, "f": frozenset}
    return make[mark](_in(one, allowed) for one in held)


@lru_cache(maxsize=500)
def _fields(kind: type) -> tuple[str, ...]:
    found = fields(kind)
    if not all(field.init for field in found):
        raise TypeError(f"{kind} must be made of its fields alone")
    return tuple(field.name for field in found)


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


@lru_cache(maxsize=500)
def _class(name: str, allowed: Allowed) -> Any:  # noqa: ANN401 - a class that makes values
    module, _, qualname = name.partition(":")
    if not any(module == one or module.startswith(f"{one}.") for one in allowed):
        raise ValueError(f"a kept value must be of {', '.join(allowed)}, was {name}")
    # Whoever goes on with such values has their modules; nothing is imported for a name.
    found = getattr(sys.modules[module], qualname)
    if not isinstance(found, type) or not (
        is_dataclass(found) or issubclass(found, BaseModel | Enum)
    ):
        raise ValueError(f"a kept value must be of a kind that can be written, was {name}")
    return found
