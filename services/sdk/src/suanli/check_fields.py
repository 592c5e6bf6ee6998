"""The fields of every object of a round file, and the test of each field's value.

Standard library only. Objects are closed: a field too many is as wrong as one too few.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

from suanli.check_report import MISSING, NOTHING, Log, Phrase, show

INT_MAX: Final = 2**63 - 1
"""Every integer lies in -INT_MAX..INT_MAX, so that any database and language can hold it."""

HORIZON_MAX: Final = 168
"""Most periods of a horizon; it also bounds the work per order."""

TEXT_MAX: Final = 256

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Kind(NamedTuple):
    """A test of a field's value, and the words for what passes it.

    Attributes:
        test: Whether one value passes.
        expected: What passes, in words.
        all_pass: Whether every value of a column passes. Where a million values are right, a few
            passes over the whole column in C are ten times quicker than a test of each.
    """

    test: Callable[[Any], bool]
    expected: Phrase
    all_pass: Callable[[list[Any]], bool]


def _is_int(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    # `type() is` and not isinstance: true and false are no numbers here.
    return type(value) is int and -INT_MAX <= value <= INT_MAX


def _is_nat(value: Any) -> bool:  # noqa: ANN401
    return type(value) is int and 0 <= value <= INT_MAX


def _is_text(value: Any) -> bool:  # noqa: ANN401
    # Printable also keeps out lone surrogates, which UTF-8 cannot write, and terminal codes.
    return type(value) is str and 0 < len(value) <= TEXT_MAX and value.isprintable()


def _is_param(value: Any) -> bool:  # noqa: ANN401
    return _is_int(value) or _is_text(value) or value == ""


def _are(kind: type, column: list[Any]) -> bool:
    return set(map(type, column)) <= {kind}


def _are_ints(column: list[Any], least: int = -INT_MAX) -> bool:
    return _are(int, column) and (not column or (least <= min(column) and max(column) <= INT_MAX))


def _are_nats(column: list[Any]) -> bool:
    return _are_ints(column, 0)


def _are_texts(column: list[Any]) -> bool:
    if not _are(str, column):
        return False
    texts = set(column)
    return "" not in texts and all(map(str.isprintable, texts)) and _longest(texts) <= TEXT_MAX


def _longest(items: Any) -> int:  # noqa: ANN401 - texts or lists
    return max(map(len, items), default=0)


def _are_nat_lists(column: list[Any]) -> bool:
    # One list at a time: all numbers in one list would double the memory of a large file.
    return _are(list, column) and all(map(_are_nats, column))


def _are_params(column: list[Any]) -> bool:
    if not _are(dict, column) or not _are_texts(list(chain.from_iterable(column))):
        return False
    values = list(chain.from_iterable(item.values() for item in column))
    texts = [value for value in values if type(value) is not int and value != ""]
    return _are_texts(texts) and _are_ints([value for value in values if type(value) is int])


def _kind(test: Callable[[Any], bool], expected: Phrase) -> Kind:
    return Kind(test, expected, lambda column: all(map(test, column)))


def _or_null(kind: Kind, expected: Phrase) -> Kind:
    return Kind(
        lambda value: value is None or kind.test(value),
        expected,
        lambda column: kind.all_pass([value for value in column if value is not None]),
    )


_INT = Kind(_is_int, ("an integer of at most 63 bits", "不超过 63 位的整数"), _are_ints)
_NAT = Kind(_is_nat, ("an integer from 0 to 2^63 - 1", "0 至 2^63 - 1 的整数"), _are_nats)
_POS = Kind(
    lambda v: _is_nat(v) and v > 0,
    ("an integer from 1 to 2^63 - 1", "正整数"),
    lambda column: _are_ints(column, 1),
)
_NAT_OR_NULL = _or_null(_NAT, ("null or an integer from 0", "null 或非负整数"))
_TEXT = Kind(
    _is_text, (f"printable text of 1 to {TEXT_MAX}", f"1 至 {TEXT_MAX} 个可见字符"), _are_texts
)
_TEXT_OR_NULL = _or_null(
    _TEXT, (f"null or printable text of 1 to {TEXT_MAX}", f"null 或 1 至 {TEXT_MAX} 个可见字符")
)
_BOOL = Kind(lambda v: type(v) is bool, "true / false", lambda column: _are(bool, column))
_LIST = Kind(lambda v: type(v) is list, ("a list", "列表"), lambda column: _are(list, column))
_FILLED_LIST = Kind(
    lambda v: type(v) is list and len(v) > 0,
    ("a list of at least one", "至少一项的列表"),
    lambda column: _are(list, column) and all(column),
)
_OBJECT = Kind(lambda v: type(v) is dict, ("an object", "对象"), lambda column: _are(dict, column))
_NATS = Kind(
    lambda v: type(v) is list and all(map(_is_nat, v)),
    ("a list of integers from 0 to 2^63 - 1", "非负整数列表"),
    _are_nat_lists,
)
_TEXTS = Kind(
    lambda v: type(v) is list and len(v) > 0 and all(map(_is_text, v)),
    ("a list of at least one text", "至少一项的文本列表"),
    lambda column: _FILLED_LIST.all_pass(column) and _are_texts(list(chain.from_iterable(column))),
)
_SHA = _kind(
    lambda v: type(v) is str and _SHA256.fullmatch(v) is not None,
    ("64 lower-case hexadecimal digits", "64 位小写十六进制"),
)
_REASON_CODE = Kind(
    lambda v: type(v) is str and _CODE.fullmatch(v) is not None,
    ("a code of a-z, 0-9 and _", "由 a-z、0-9、_ 组成的代码"),
    lambda column: _are(str, column) and all(map(_CODE.fullmatch, set(column))),
)
_PARAMS = Kind(
    lambda v: type(v) is dict and all(_is_text(k) and _is_param(x) for k, x in v.items()),
    ("an object of integers and texts", "值为整数或文本的对象"),
    _are_params,
)
_CURVES = _kind(
    lambda v: (
        type(v) is dict
        and _are_texts(list(v))
        and all(type(x) is list and _are_nats(x) for x in v.values())
    ),
    ("an object of lists of integers from 0 to 2^63 - 1", "值为非负整数列表的对象"),
)


_NAMED_NATS = _kind(
    lambda v: type(v) is dict and all(_is_text(k) and _is_nat(x) for k, x in v.items()),
    ("an object of integers from 0 to 2^63 - 1", "值为非负整数的对象"),
)
_NAME = _kind(
    lambda v: v == "" or _is_text(v),
    (f"printable text of at most {TEXT_MAX}", f"至多 {TEXT_MAX} 个可见字符"),
)


def _one_of(*allowed: str) -> Kind:
    return Kind(
        lambda v: type(v) is str and v in allowed,
        " / ".join(allowed),
        lambda column: _are(str, column) and set(column) <= set(allowed),
    )


ROUND: Final = {
    "format": _one_of("suanli.round.v1"),
    "book": _OBJECT,
    "rules": _OBJECT,
    "result": _OBJECT,
}
BOOK: Final = {
    "format": _one_of("suanli.book.v1"),
    "market": _TEXT,
    "round_id": _TEXT,
    "first_period": _NAT,
    "periods": _kind(lambda v: _is_nat(v) and 1 <= v <= HORIZON_MAX, f"1..{HORIZON_MAX}"),
    "pools": _LIST,
    "offers": _LIST,
    "demands": _LIST,
}
BOOK_MAY: Final = {
    "links": _LIST,
    "mobilisation": _OBJECT,
    "policies": _LIST,
    "kept_out": _OBJECT,
    "held": _LIST,
    "allowances": _LIST,
}
KEPT_OUT: Final = {"offers": _LIST, "demands": _LIST}
MOBILISATION: Final = {"id": _TEXT, "price_cap": _NAT}
POLICY: Final = {
    "id": _TEXT,
    "version": _POS,
    "kind": _one_of("price_limits", "domestic_share", "largest_share"),
    "params": _OBJECT,
}
LIMITS_PARAMS: Final = {"cap": _NAT, "chip": _NAME, "floor": _NAT}
_BASIS_POINTS = _kind(lambda v: _is_nat(v) and v <= 10_000, "0..10000")
SHARE_PARAMS: Final = {
    "carried": _NAT,
    "premium_max": _NAT,
    "region": _NAME,
    "share_bp": _BASIS_POINTS,
}
LARGEST_PARAMS: Final = {
    "chip": _NAME,
    "chips_free": _NAT,
    "region": _NAME,
    "share_bp": _BASIS_POINTS,
}
ALLOWANCE: Final = {
    "key": _TEXT,
    "policy": _TEXT,
    "chip": _TEXT,
    "participant": _TEXT,
    "pools": _TEXTS,
    "capacity": _NATS,
}
HOLDING: Final = {"participant": _NAME, "pool": _TEXT, "start": _NAT, "chips": _NATS}
LINK: Final = {
    "key": _TEXT,
    "source": _TEXT,
    "destination": _TEXT,
    "tariff": _NAT,
    "capacity": _NATS,
}
MOVES: Final = {
    "data_zone": _TEXT_OR_NULL,
    "data_gb": _NAT,
    "user_zone": _TEXT_OR_NULL,
    "traffic_gb": _NAT,
}
POOL: Final = {
    "key": _TEXT,
    "zone": _TEXT,
    "region": _TEXT,
    "chip": _TEXT,
    "domestic": _BOOL,
    "tflops": _NAT,
}
OFFER: Final = {
    "id": _TEXT,
    "participant": _TEXT,
    "version": _POS,
    "pool": _TEXT,
    "ask": _NAT,
    "start": _NAT,
    "chips": _NATS,
    "block": _BOOL,
    "rounds_waited": _NAT,
}
OFFER_MAY: Final = {"resale": _BOOL}
DEMAND: Final = {
    "id": _TEXT,
    "participant": _TEXT,
    "version": _POS,
    "shape": _one_of("block", "flow", "work"),
    "alternatives": _FILLED_LIST,
    "rounds_waited": _NAT,
    "exclusive_group": _TEXT_OR_NULL,
    "linked_to": _TEXT_OR_NULL,
}
ALTERNATIVE: Final = {
    "index": _NAT,
    "pools": _TEXTS,
    "limit": _NAT,
    "earliest": _NAT,
    "deadline": _NAT,
    "chips": _NAT,
    "chips_min": _NAT,
    "duration": _NAT,
    "chips_by_period": _NATS,
    "chip_hours": _NAT,
}
RULES: Final = {
    "format": _one_of("suanli.rules.v1"),
    "tick": _POS,
    "seed": _INT,
    "effort": _NAT,
    "ascent_steps": _NAT,
}
RULES_MAY: Final = {"start_prices": _CURVES}
RESULT: Final = {
    "format": _one_of("suanli.result.v1"),
    "market": _TEXT,
    "round_id": _TEXT,
    "book_digest": _SHA,
    "rules_digest": _SHA,
    "status": _one_of("optimal", "feasible"),
    "welfare": _INT,
    "allocations": _LIST,
    "prices": _CURVES,
    "demands": _LIST,
    "offers": _LIST,
    "certificate": _OBJECT,
    "total_regret": _NAT,
}
RESULT_MAY: Final = {
    "support_loss": _NAT,
    "links": _LIST,
    "shares": _LIST,
    "allowances": _LIST,
}
SHARE_OUTCOME: Final = {
    "policy": _TEXT,
    "premium": _NAT,
    "split_bp": _BASIS_POINTS,
    "tflops_hours": _NAT,
    "tflops_hours_domestic": _NAT,
    "shortfall": _NAT,
    "account": _NAT,
    "charges": _NAT,
    "credits": _NAT,
}
LINK_OUTCOME: Final = {"key": _TEXT, "prices": _NATS, "used": _NATS, "regret": _NAT}
ALLOCATION: Final = {"demand": _TEXT, "offer": _TEXT, "pool": _TEXT, "start": _NAT, "chips": _NATS}
_STATE = _one_of("filled", "part-filled", "open")
DEMAND_OUTCOME: Final = {
    "id": _TEXT,
    "state": _STATE,
    "alternative": _NAT_OR_NULL,
    "chip_hours": _NAT,
    "value": _NAT,
    "payment": _NAT,
    "regret": _NAT,
    "reason": _OBJECT,
}
OFFER_OUTCOME: Final = {
    "id": _TEXT,
    "state": _STATE,
    "chip_hours": _NAT,
    "cost": _NAT,
    "revenue": _NAT,
    "regret": _NAT,
    "reason": _OBJECT,
}
REASON: Final = {"code": _REASON_CODE, "params": _PARAMS}
CERTIFICATE: Final = {"prices": _CURVES, "bound": _NAT}
CERTIFICATE_MAY: Final = {
    "link_prices": _CURVES,
    "premiums": _NAMED_NATS,
    "allowance_prices": _CURVES,
}


def each(
    items: list[Any],
    kinds: dict[str, Kind],
    where: str,
    log: Log,
    may: dict[str, Kind] | None = None,
) -> list[dict[str, Any]]:
    """Return the items that are closed objects; the others are in the log."""
    if all_closed(items, kinds):
        return items
    read = (closed(item, kinds, where, log, i, may) for i, item in enumerate(items))
    return [item for item in read if item is not None]


def all_closed(items: list[Any], kinds: dict[str, Kind]) -> bool:
    """Tell whether every item is an object with exactly these fields, each of its kind."""
    if not _are(dict, items):
        return False
    # The rows of a file mostly have their fields in one order, or in few.
    orders = set(map(tuple, items))
    return all(set(order) == kinds.keys() for order in orders) and all(
        kind.all_pass(list(map(itemgetter(name), items))) for name, kind in kinds.items()
    )


def closed(
    value: object,
    kinds: dict[str, Kind],
    where: str,
    log: Log,
    at: int | None = None,
    may: dict[str, Kind] | None = None,
) -> dict[str, Any] | None:
    """Return the value if it is an object with exactly these fields, each of its kind.

    It may also have those of ``may``.
    """
    if may is not None and type(value) is dict:
        kinds = kinds | {name: kind for name, kind in may.items() if name in value}
    # The quick way, without making paths: nearly every object of nearly every file.
    if (
        type(value) is dict
        and value.keys() == kinds.keys()
        and all(kind.test(value[name]) for name, kind in kinds.items())
    ):
        return value
    path = where if at is None else f"{where}[{at}]"
    if type(value) is not dict:
        log.add("format.type", path, _OBJECT.expected, show(value))
        return None
    for name in sorted(value.keys() - kinds.keys(), key=show):
        log.add("format.field", f"{path}.{show(name)}", NOTHING, show(value[name]))
    for name, kind in kinds.items():
        if name not in value:
            log.add("format.field", f"{path}.{name}", ("there", "存在"), MISSING)
        elif not kind.test(value[name]):
            code = "format.name" if name == "format" else "format.type"
            at_item, found = _first_bad(value[name], kind)
            log.add(code, f"{path}.{name}{at_item}", kind.expected, show(found))
    return None


def _first_bad(value: Any, kind: Kind) -> tuple[str, Any]:  # noqa: ANN401
    """Return where inside a list or an object of lists the first wrong number is."""
    if kind is _NATS and type(value) is list:
        return next((f"[{i}]", item) for i, item in enumerate(value) if not _is_nat(item))
    if kind is _CURVES and type(value) is dict:
        for key, curve in value.items():
            if not _is_text(key) or type(curve) is not list:
                return f"[{show(key)}]", curve
            for i, item in enumerate(curve):
                if not _is_nat(item):
                    return f"[{show(key)}][{i}]", item
    return "", value
