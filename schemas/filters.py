r"""The filter language of every list: one grammar and one parser for API, client and command line.

::

    filter  = [ term *( blanks term ) ]                      all terms must hold
    term    = field op value / field blanks "in" blanks? "(" value *( "," value ) ")"
    op      = "=" / "!=" / "<" / "<=" / ">" / ">="
    value   = word / DQUOTE *( any but DQUOTE and "\" / "\" any ) DQUOTE

For example ``chip=h800 zone in (bj-1,tj-1) ask>=9.5yuan state=open``. Numbers are whole; an amount
of money may be written in yuan with the ending ``yuan``. Instants are ISO 8601 with a time zone.
Texts are equal or not, and have no order. An item without a value in a field meets no term about
it, not even ``!=``; with several values it meets ``!=`` if none of them is that one, and any other
term if one of them does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from schemas.base import YEAR_MAX, YEAR_MIN
from schemas.types import MICRO_YUAN_PER_YUAN

FILTER_CHARS_MAX = 2000
TERMS_MAX = 32
VALUES_MAX = 100

Kind = Literal["text", "number", "money", "instant", "flag"]
Value = str | int | bool
_NUMBER_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EQUAL = ("=", "!=")
_ORDERED = (*_EQUAL, "<", "<=", ">", ">=")
_BLANKS = re.compile(r"[ \t\r\n]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_OP = re.compile(r"!=|<=|>=|=|<|>")
_IN = re.compile(r"in(?=[ \t\r\n(])")
_WORD = re.compile(r'[^ \t\r\n"(),=<>!\\]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_YUAN = re.compile(r"-?[0-9]{1,13}(?:\.[0-9]{1,6})?yuan")
_WHOLE = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a list can be filtered by.

    Attributes:
        name: As it is written.
        kind: What its values are.
        path: Where it is in an item of the list; ``*`` stands for every item of an inner list.
        choices: All values that a text can have; empty = any.
        part: Which part of a text with slashes is meant, ``None`` for all of it.
    """

    name: str
    kind: Kind
    path: str
    choices: tuple[str, ...] = ()
    part: int | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One condition.

    Attributes:
        field: Name of the field.
        op: ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` or ``in``.
        values: One value, of ``in`` at least one; instants as microseconds since 1970 (UTC).
    """

    field: str
    op: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions of which all must hold.

    Attributes:
        terms: The conditions.
        fields: What they are about, by name.
    """

    terms: tuple[Term, ...]
    fields: Mapping[str, Field]

    def __str__(self) -> str:
        """Return the filter as it is written; parsing that gives the same filter."""
        return " ".join(_printed(term, self.fields[term.field]) for term in self.terms)

    def to_json(self) -> str | None:
        """Return the terms as the parameter of a query, ``None`` if there are none."""
        if not self.terms:
            return None
        return json.dumps(
            [{"field": term.field, "op": term.op, "values": term.values} for term in self.terms]
        )

    def matches(self, item: Mapping[str, object]) -> bool:
        """Return whether an item, as the API shows it in JSON, meets all terms."""
        return all(_holds(term, self.fields[term.field], item) for term in self.terms)


class FilterError(ValueError):
    """A filter that cannot be read.

    Attributes:
        column: Where, counted from 1.
        found: What stands there.
        allowed: What would be read there, in English.
        allowed_zh: The same in Chinese.
    """

    def __init__(self, column: int, found: str, allowed: str, allowed_zh: str) -> None:
        """Keep the parts."""
        super().__init__(f"column {column}: must be {allowed}, was {found}")
        self.column = column
        self.found = found
        self.allowed = allowed
        self.allowed_zh = allowed_zh


def parse(text: str, fields: Sequence[Field]) -> Filter:
    """Return a parsed filter.

    Args:
        text: As a person wrote it; empty = everything.
        fields: What it may be about.

    Raises:
        FilterError: with the column of the first thing that is wrong.
    """
    known = {field.name: field for field in fields}
    if len(text) > FILTER_CHARS_MAX:
        raise _too_many(FILTER_CHARS_MAX + 1, len(text), FILTER_CHARS_MAX, "characters", "个字符")
    terms: list[Term] = []
    at = _skip(text, 0)
    while at < len(text):
        if len(terms) == TERMS_MAX:
            raise _too_many(at + 1, TERMS_MAX + 1, TERMS_MAX, "terms", "个条件")
        term, end = _term(text, at, known)
        terms.append(term)
        at = _skip(text, end)
        if at == end < len(text):
            raise FilterError(at + 1, _shown(text, at), "a blank or the end", "空格或结尾")
    return Filter(tuple(terms), known)


# --- reading --------------------------------------------------------------------------------


def _term(text: str, at: int, known: Mapping[str, Field]) -> tuple[Term, int]:
    name = _FIELD.match(text, at)
    field = known.get(name[0]) if name else None
    if name is None or field is None:
        listed = ", ".join(known)
        found = name[0] if name else _shown(text, at)
        raise FilterError(at + 1, found, f"one of {listed}", f"{listed} 之一")
    op_at = _skip(text, name.end())
    if (among := _IN.match(text, op_at)) is not None:
        values, end = _several(text, _skip(text, among.end()), field)
        return Term(field.name, "in", values), end
    allowed = _EQUAL if field.kind in ("text", "flag") else _ORDERED
    op = _OP.match(text, op_at)
    if op is None or op[0] not in allowed:
        listed = " ".join((*allowed, "in"))
        found = op[0] if op else _shown(text, op_at)
        raise FilterError(op_at + 1, found, f"one of {listed}", f"{listed} 之一")
    value, end = _value(text, _skip(text, op.end()), field)
    return Term(field.name, op[0], (value,)), end


def _several(text: str, at: int, field: Field) -> tuple[tuple[Value, ...], int]:
    if text[at : at + 1] != "(":
        raise FilterError(at + 1, _shown(text, at), "(", "(")
    values: list[Value] = []
    while True:
        if len(values) == VALUES_MAX:
            raise _too_many(at + 1, VALUES_MAX + 1, VALUES_MAX, "values", "个值")
        value, end = _value(text, _skip(text, at + 1), field)
        values.append(value)
        at = _skip(text, end)
        if text[at : at + 1] == ")":
            return tuple(values), at + 1
        if text[at : at + 1] != ",":
            raise FilterError(at + 1, _shown(text, at), "a comma or )", "逗号或 )")


def _value(text: str, at: int, field: Field) -> tuple[Value, int]:
    if (quoted := _QUOTED.match(text, at)) is not None:
        word, end = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), quoted.end()
    elif (plain := _WORD.match(text, at)) is not None:
        word, end = plain[0], plain.end()
    else:
        raise FilterError(at + 1, _shown(text, at), *_wanted(field))
    value = _typed(word, field)
    if value is None:
        raise FilterError(at + 1, word[:100], *_wanted(field))
    return value, end


def _typed(word: str, field: Field) -> Value | None:
    match field.kind:
        case "text":
            fits = word in field.choices if field.choices else "\0" not in word
            return word if fits and _encodes(word) else None
        case "flag":
            return {"true": True, "false": False}.get(word)
        case "instant":
            return _instant(word)
        case "money" if _YUAN.fullmatch(word):
            return int(Decimal(word.removesuffix("yuan")) * MICRO_YUAN_PER_YUAN)
        case _:
            number = int(word) if _WHOLE.fullmatch(word) else None
            return number if number is not None and abs(number) <= _NUMBER_MAX else None


def _encodes(word: str) -> bool:
    # A lone surrogate is nothing that Postgres could look for.
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _instant(word: str) -> int | None:
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        return None
    if found.tzinfo is None or not YEAR_MIN <= found.year <= YEAR_MAX:
        return None
    return (found - _EPOCH) // _MICROSECOND


def _wanted(field: Field) -> tuple[str, str]:
    match field.kind:
        case "text" if field.choices:
            listed = ", ".join(field.choices)
            return f"one of {listed}", f"{listed} 之一"
        case "text":
            return "a word, or a text in double quotes", "单词，或双引号括起的文本"
        case "flag":
            return "true or false", "true 或 false"
        case "instant":
            return (
                "an instant such as 2026-11-24T08:00:00Z",
                "时刻，例如 2026-11-24T08:00:00Z",
            )
        case "money":
            return "micro-yuan such as 9500000, or 9.5yuan", "微元，例如 9500000，或 9.5yuan"
        case _:
            return "a whole number", "整数"


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    assert found is not None, "it may be empty"
    return found.end()


def _shown(text: str, at: int) -> str:
    return text[at : at + 20] or "the end"


def _too_many(column: int, found: int, most: int, what: str, what_zh: str) -> FilterError:
    allowed, allowed_zh = f"at most {most} {what}", f"至多 {most} {what_zh}"
    return FilterError(column, f"{found} {what}", allowed, allowed_zh)


# --- printing -------------------------------------------------------------------------------


def _printed(term: Term, field: Field) -> str:
    words = [_word(value, field) for value in term.values]
    if term.op == "in":
        return f"{term.field} in ({','.join(words)})"
    return f"{term.field}{term.op}{words[0]}"


def _word(value: Value, field: Field) -> str:
    if field.kind == "instant":
        assert isinstance(value, int)
        return (_EPOCH + value * _MICROSECOND).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or _WORD.fullmatch(value):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# --- evaluating -----------------------------------------------------------------------------


def _holds(term: Term, field: Field, item: Mapping[str, object]) -> bool:
    found = [_read(value, field) for value in _found(item, field.path.split("."))]
    if term.op == "!=":
        return bool(found) and term.values[0] not in found
    return any(_meets(value, term) for value in found)


def _found(item: object, path: Sequence[str]) -> Iterator[object]:
    if not path:
        if item is not None:
            yield item
    elif path[0] == "*":
        inner = item if isinstance(item, Sequence) else ()
        for one in inner:
            yield from _found(one, path[1:])
    elif isinstance(item, Mapping):
        yield from _found(item.get(path[0]), path[1:])


def _read(value: object, field: Field) -> Value:
    if field.kind == "instant":
        read = _instant(str(value))
        assert read is not None, "an instant of the API has a time zone"
        return read
    if field.part is not None:
        return str(value).split("/")[field.part]
    assert isinstance(value, (str, int))
    return value


def _meets(value: Value, term: Term) -> bool:
    wanted = term.values[0]
    match term.op:
        case "=":
            return value == wanted
        case "in":
            return value in term.values
        case _:
            assert isinstance(value, int)
            assert isinstance(wanted, int)
            return _compares(value, term.op, wanted)


def _compares(value: int, op: str, wanted: int) -> bool:
    match op:
        case "<":
            return value < wanted
        case "<=":
            return value <= wanted
        case ">":
            return value > wanted
        case _:
            return value >= wanted
