"""What pydantic finds wrong, as field, value and what is allowed, in English and Chinese."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from services.core.errors import Message
from services.gateway.errors import Fault, FaultsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FAULTS_MAX = 100
_VALUE_CHARS_MAX = 200
# The tag of a shape stands in pydantic's path, but not in the caller's JSON.
_TAGS = frozenset({"block", "flow", "work"})
_PLACES = frozenset({"body", "query", "path", "header"})

_INSTANT = (
    "an ISO 8601 instant with a time zone, such as 2026-11-24T08:00:00Z",
    "带时区的 ISO 8601 时刻，例如 2026-11-24T08:00:00Z",
)
_WHOLE = ("a whole number without quotes", "不带引号的整数")
_OBJECT = ("a JSON object", "JSON 对象")
_LIST = ("a JSON list", "JSON 数组")
_ABSENT = "absent"

# Type of pydantic's error -> what would have been accepted; braces name its context.
_ALLOWED: dict[str, tuple[str, str]] = {
    "missing": ("given", "必填"),
    "extra_forbidden": ("left out: there is no such field", "去掉：没有这个字段"),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": ("a whole number of less than 4,300 digits", "少于 4300 位的整数"),
    "greater_than": ("above {gt}", "大于 {gt}"),
    "greater_than_equal": ("at least {ge}", "不小于 {ge}"),
    "less_than": ("below {lt}", "小于 {lt}"),
    "less_than_equal": ("at most {le}", "不大于 {le}"),
    "string_type": ("a text", "文本"),
    "string_too_short": ("at least {min_length} characters", "至少 {min_length} 个字符"),
    "string_too_long": ("at most {max_length} characters", "至多 {max_length} 个字符"),
    "string_pattern_mismatch": ("text that matches {pattern}", "符合 {pattern} 的文本"),
    "string_unicode": ("valid Unicode", "有效的 Unicode 文本"),
    "bool_type": ("true or false", "true 或 false"),
    "enum": ("one of {expected}", "{expected} 之一"),
    "literal_error": ("one of {expected}", "{expected} 之一"),
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_object_invalid": _INSTANT,
    "timezone_aware": _INSTANT,
    "too_long": ("at most {max_length} items", "至多 {max_length} 项"),
    "too_short": ("at least {min_length} items", "至少 {min_length} 项"),
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_attributes_type": _OBJECT,
    "union_tag_not_found": (
        "an object with its {discriminator}: block, flow or work, or a kind of rule",
        "带有 {discriminator} 的对象:block、flow 或 work,或规则类别",
    ),
    "union_tag_invalid": (
        "an object whose {discriminator} is one of {expected_tags}",
        "{discriminator} 为 {expected_tags} 之一的对象",
    ),
    "json_invalid": ("valid JSON ({error})", "有效的 JSON（{place_zh}）"),
}

# Sentences of the contract's own checks -> (what is allowed, in Chinese).
_OWN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), zh)
    for pattern, zh in (
        (r"must be after (\w+)", "晚于 {0}"),
        (r"must be at most (\d+) hours after (\w+)", "不晚于 {1} 之后 {0} 小时"),
        (r"must be a full hour \(UTC\)", "整点（UTC）"),
        (r"must be an ISO 8601 instant with a time zone", _INSTANT[1]),
        (r"year must be (\d+) to (\d+)", "年份在 {0} 至 {1} 之间"),
        (r"needed when mobilisable is true", "给出（mobilisable 为 true 时必填）"),
        (r"needed when latency_ms_max is given", "给出（有 latency_ms_max 时必填）"),
        (r"name at least one chip class or give a requirement", "至少一个芯片型号，或给出要求"),
        (r"must be at most chips \((\d+)\)", "不大于 chips（{0}）"),
        (r"must be at least chips \((\d+)\)", "不小于 chips（{0}）"),
        (r"must be null for a resale, whose allocation says it", "null（转售以原分配为限）"),
        (
            r"must fit between earliest and deadline \((\d+) periods\)",
            "能放入 earliest 与 deadline 之间（{0} 个时段）",
        ),
        (r"must be at most chips_max x periods \((\d+)\)", "不大于 chips_max × 时段数（{0}）"),
        (r"must be text without U\+0000", "不含 U+0000 的文本"),
        (r"ids must differ", "互不相同的编号"),
        (r"zones must be among (.*?)(?=, was|$)", "{0} 中的区域"),
    )
)
# Values in words, as nothing else tells them -> the same in Chinese.
_VALUES_ZH = {"something else": "其他内容", "otherwise": "并非如此"}
_BYTES = re.compile(r"^(\d+) bytes$")
_HUGE = "a number of thousands of digits"
_PLACE = re.compile(r"at line (\d+) column (\d+)")
_QUOTED = re.compile(r"'([^']*)'")
_OWN_FORM = re.compile(
    r"^(?:(?P<field>[a-z_./]+): )?(?P<rule>.*?)(?:, was (?P<value>.*))?$", re.DOTALL
)


def faults_of(errors: Iterable[Mapping[str, Any]], prefix: str = "") -> FaultsError:
    """Return everything that is wrong with an input.

    Args:
        errors: As `pydantic.ValidationError.errors()` gives them, at least one.
        prefix: Path that the input has in the request.
    """
    faults = tuple(_fault(error, prefix) for error in errors)[:_FAULTS_MAX]
    first = faults[0].message
    more = len(faults) - 1
    message = first
    if more:
        message = Message(f"{first.en} (and {more} more)", f"{first.zh}（另有 {more} 处）")
    code = "validation.not_json" if faults[0].code == "validation.json_invalid" else ""
    return FaultsError(code or "validation.invalid", message, faults)


def _fault(error: Mapping[str, Any], prefix: str) -> Fault:
    kind = str(error["type"])
    field = _path(error["loc"], prefix)
    value = _ABSENT if kind == "missing" else shown(error.get("input"))
    if kind == "value_error":
        return _own_fault(field, value, str(error["msg"]).removeprefix("Value error, "))
    context = error.get("ctx") or {}
    if kind == "json_invalid":
        # The path holds a position in the text, which is no field; what is allowed tells it.
        field = field if field == "line" else "body"
        value = "something else"
        found = _PLACE.search(str(context.get("error", "")))
        place = "第 {} 行第 {} 列有误".format(*found.groups()) if found else "格式有误"
        context = {**context, "place_zh": place}
    texts = _ALLOWED.get(kind)
    if texts is None:
        allowed = allowed_zh = str(error["msg"]).removeprefix("Input should be ")
    else:
        # Pydantic joins a choice by an English word.
        choice = {name: ", ".join(_QUOTED.findall(str(text))) for name, text in context.items()}
        listed = {"expected": choice.get("expected")} if choice.get("expected") else {}
        allowed, allowed_zh = (text.format_map(_Context(context | listed)) for text in texts)
    message = Message(
        f"{field}: must be {allowed}, was {value}",
        f"{field}：须为{_spaced(allowed_zh)}，实为{_spaced(_value_zh(value))}",
    )
    if kind == "missing":
        message = Message(f"{field}: must be given, was absent", f"{field}：必填，实为缺失")
    return Fault(field, value, allowed, message, f"validation.{kind}")


def _own_fault(field: str, value: str, text: str) -> Fault:
    form = _OWN_FORM.match(text)
    assert form is not None, "the form has no required part"
    name, rule = form["field"], form["rule"]
    field = ".".join(part for part in (field, name) if part) or "body"
    value = form["value"] or (value if name is None else "otherwise")
    allowed_zh = next(
        (zh.format(*found.groups()) for own, zh in _OWN if (found := own.search(rule))), rule
    )
    allowed = rule.removeprefix("must be ")
    message = Message(
        f"{field}: {rule}, was {value}"[:1000],
        f"{field}：须为{_spaced(allowed_zh)}，实为{_spaced(_value_zh(value))}"[:1000],
    )
    return Fault(field, value[:_VALUE_CHARS_MAX], allowed, message, "validation.rule")


def _value_zh(value: str) -> str:
    """Return a value in Chinese, if it is told in words and not as it was sent."""
    if found := _BYTES.match(value):
        return f"{found[1]} 字节"
    return "数千位的数字" if value == _HUGE else _VALUES_ZH.get(value, value)


def _spaced(text: str) -> str:
    """Return a text with a blank before it, if it begins with a sign of half width."""
    return f" {text}" if text[:1].isascii() else text


def not_json(field: str, reason: str) -> FaultsError:
    """Return what is wrong with a text that is no JSON.

    Args:
        field: Where it is.
        reason: As the parser says it, in English.
    """
    return faults_of([{"type": "json_invalid", "loc": (field,), "ctx": {"error": reason}}])


class _Context(dict[str, Any]):
    """Context of an error; a name that it lacks stays as it is."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


def _path(loc: Sequence[str | int], prefix: str) -> str:
    parts = [str(part) for part in loc]
    if parts and parts[0] in _PLACES:
        parts = parts[1:]
    kept = [
        part
        for index, part in enumerate(parts)
        if not (part in _TAGS and index > 0 and parts[index - 1] == "shape")
    ]
    return ".".join([prefix, *kept] if prefix else kept) or "body"


def shown(value: object) -> str:
    """Return a value as JSON, cut to 200 characters."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        # An integer of more digits than Python writes.
        text = _HUGE
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[: _VALUE_CHARS_MAX - 1]}…"
