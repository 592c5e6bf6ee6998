"""Whether a value has the shape that the contract gives it, before anything is sent.

It sees what is missing, unknown or of another type. Limits and rules of the market are the
exchange's to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_NAMES = {int: "a whole number", str: "text", bool: "true or false", float: "a number"}
_NAMES_ZH = {int: "整数", str: "文本", bool: "true 或 false", float: "数字"}
_TEXT_MAX = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """A place of a value that does not fit.

    Attributes:
        field: Where, with dots: ``alternatives.0.limit``.
        value: What is there.
        allowed: What would do, in English and Chinese.
    """

    field: str
    value: str
    allowed: tuple[str, str]


def faults_of(value: object, kind: Any, field: str = "") -> list[Fault]:  # noqa: ANN401 - a type
    """Return every place of a value that does not fit a type of `suanli.models`."""
    origin = get_origin(kind)
    if kind is Any:
        return []
    if origin is NotRequired:
        return faults_of(value, get_args(kind)[0], field)
    if origin in (Union, UnionType):
        return _of_union(value, get_args(kind), field)
    if origin is Literal:
        wanted = ", ".join(str(item) for item in get_args(kind))
        return [] if value in get_args(kind) else [_fault(field, value, wanted, wanted)]
    if origin is list:
        if not isinstance(value, list):
            return [_fault(field, value, "a list", "列表")]
        inner = get_args(kind)[0]
        return [
            fault
            for index, item in enumerate(value)
            for fault in faults_of(item, inner, f"{field}.{index}".lstrip("."))
        ]
    if is_typeddict(kind):
        return _of_fields(value, kind, field)
    if kind is NoneType:
        return [] if value is None else [_fault(field, value, "null", "null")]
    if kind in _NAMES:
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        return [] if fits else [_fault(field, value, _NAMES[kind], _NAMES_ZH[kind])]
    return []


def _of_fields(value: object, kind: Any, field: str) -> list[Fault]:  # noqa: ANN401 - a type
    if not isinstance(value, dict):
        return [_fault(field, value, "fields", "字段")]
    hints = get_type_hints(kind, include_extras=True)
    known = ", ".join(hints)
    found = []
    for name, item in value.items():
        where = f"{field}.{name}".lstrip(".")
        if name in hints:
            found += faults_of(item, hints[name], where)
        else:
            found.append(Fault(where, "there", (f"one of {known}", f"{known} 之一")))
    absent = [name for name in hints if name in kind.__required_keys__ and name not in value]
    return found + [
        Fault(f"{field}.{name}".lstrip("."), "absent", ("given", "给出")) for name in absent
    ]


def _of_union(value: object, kinds: tuple[Any, ...], field: str) -> list[Fault]:
    tried = [
        faults_of(value, kind, field) for kind in kinds if kind is not NoneType or value is None
    ]
    if not all(tried):
        return []
    if isinstance(value, dict):
        # The one whose tag fits is the one that was meant.
        meant = [
            found for found in tried if all(not fault.field.endswith("type") for fault in found)
        ]
        if meant:
            return meant[0]
        tags = [str(get_args(hints["type"])[0]) for kind in kinds if (hints := _hints(kind))]
        wanted = ", ".join(tags)
        return [_fault(f"{field}.type".lstrip("."), value.get("type", "absent"), wanted, wanted)]
    return tried[0]


def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
    hints = get_type_hints(kind) if is_typeddict(kind) else {}
    return hints if "type" in hints else {}


def _fault(field: str, value: object, en: str, zh: str) -> Fault:
    text = str(value)
    return Fault(field or "-", text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…", (en, zh))
