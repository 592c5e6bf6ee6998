"""The form of a demand: what people fill in, and the terms that it stands for."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError as ModelError

from schemas.orders import DemandTerms
from schemas.types import period_of, period_start
from services.core.errors import DomainError, Message
from services.core.phases import next_cut, periods_given
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.fields import (
    Fields,
    Reader,
    hour_text,
    hours_on,
    told,
    yuan_text,
)

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.market import Market
    from schemas.mobilisation import MobilisationScope
    from schemas.orders import Alternative

ALTERNATIVES_MAX = 16
SHAPES = ("block", "flow", "work")
_LABELS = {
    "": Message("The demand", "需求"),
    "shape": Message("Shape", "形态"),
    "block_chips": Message("Chips at once", "同时芯片数"),
    "block_chips_min": Message("At least", "最少芯片数"),
    "block_duration": Message("Hours on end", "连续小时"),
    "flow_chips": Message("Chips, at most", "每小时至多芯片数"),
    "work_chip_hours": Message("Chip-hours in all", "总卡时"),
    "work_chips_max": Message("Chips at once, at most", "同时至多芯片数"),
    "earliest": Message("Not before", "最早开始"),
    "deadline": Message("Done by", "最晚完成"),
    "budget": Message("Budget", "预算"),
    "priority": Message("Priority", "优先级"),
    "data_zone": Message("Where the data lies", "数据所在区域"),
    "data_gb": Message("Data to send", "需传输数据"),
    "user_zone": Message("Where the callers are", "用户所在区域"),
    "latency_ms_max": Message("Latency, at most", "时延上限"),
    "traffic_gb_per_chip_hour": Message("Traffic", "流量"),
    "resource_code": Message("Resource code", "资源标识码"),
    "exclusive_group": Message("One of a group", "互斥组"),
    "linked_to": Message("Only with", "关联需求"),
    "expires_at": Message("Leave the book at", "离场时刻"),
}
_OF_ALTERNATIVE = {
    "chips": Message("Chip classes", "芯片型号"),
    "memory": Message("Memory, at least", "显存下限"),
    "tflops": Message("TFLOPS, at least", "算力下限"),
    "domestic": Message("Origin", "来源"),
    "regions": Message("Regions", "地区"),
    "zones": Message("Zones", "区域"),
    "limit": Message("Limit price", "限价"),
    "equivalence": Message("Stands for", "等效比例"),
}
# Path in the contract -> field of the form.
_FIELD_OF = {"notice_periods": ""}
_OF_SHAPE = {
    "chips": {"block": "block_chips", "flow": "flow_chips", "work": "work_chips_max"},
    "chips_min": {"block": "block_chips_min"},
    "duration": {"block": "block_duration"},
    "chip_hours": {"work": "work_chip_hours"},
    "chips_max": {"work": "work_chips_max"},
}
_PATH_OF_ALTERNATIVE = {
    "chips_any_of": "chips",
    "requirement": "memory",
    "requirement.memory_gb_min": "memory",
    "requirement.tflops_min": "tflops",
    "requirement.domestic": "domestic",
    "regions": "regions",
    "zones": "zones",
    "limit": "limit",
    "equivalence_milli": "equivalence",
}
_ALTERNATIVE = re.compile(r"alternatives\.(\d{1,2})(?:\.(.+))?")
_FIELD = re.compile(r"a(\d{1,2})_(\w+)")
_MONEY = re.compile(r"budget|a\d{1,2}_limit")


def label_of(name: str) -> Message:
    """Return the label of a field."""
    found = _FIELD.fullmatch(name)
    if found is None:
        return _LABELS.get(name, _LABELS[""])
    label = _OF_ALTERNATIVE.get(found[2], _LABELS[""])
    number = int(found[1])
    if number == 0:
        return label
    return Message(f"{label.en} ({number + 1})", f"{label.zh}（{number + 1}）")


def count_of(fields: Fields) -> int:
    """Return how many alternatives a form has."""
    text = fields.get("alternatives", "1")
    return min(max(int(text), 1), ALTERNATIVES_MAX) if text.isdecimal() and len(text) < 3 else 1


def blank(market: Market, now: datetime, near: str) -> Fields:
    """Return the form of a demand that nobody has filled in yet.

    Args:
        market: The market.
        now: Its instant.
        near: Chip class to begin with.
    """
    given = periods_given(market.rules, next_cut(market.rules, now))
    start = max(hours_on(now, 2), period_start(given.start))
    hours = min(24, market.rules.horizon_periods)
    return {
        "market": market.id,
        "shape": "block",
        "block_chips": "8",
        "block_duration": "4",
        "earliest": hour_text(start),
        "deadline": hour_text(start + timedelta(hours=hours)),
        "priority": "standard",
        "alternatives": "1",
        "a0_chips": near,
    }


def urgent(market: Market, now: datetime, scope: MobilisationScope) -> Fields:
    """Return the form of a demand under a declared need: as urgent as it may be, at its cap."""
    form = blank(market, now, scope.chips[0] if scope.chips else market.chips[0].id)
    start = max(hours_on(now, 1), scope.start)
    end = min(scope.end, start + timedelta(hours=market.rules.horizon_periods))
    hours = max(1, period_of(end) - period_of(start))
    return form | {
        "priority": "urgent",
        "earliest": hour_text(start),
        "deadline": hour_text(end),
        "block_duration": str(min(int(form["block_duration"]), hours)),
        "a0_chips": ",".join(scope.chips) or form["a0_chips"],
        "a0_regions": ",".join(scope.regions),
        "a0_zones": ",".join(scope.zones),
        "a0_limit": yuan_text(scope.price_cap),
    }


def fields_of(terms: DemandTerms, market_id: str) -> Fields:
    """Return the form that stands for terms."""
    shape = terms.shape
    fields = {
        "market": market_id,
        "shape": shape.type,
        "earliest": hour_text(terms.earliest),
        "deadline": hour_text(terms.deadline),
        "budget": yuan_text(terms.budget),
        "priority": terms.priority.value,
        "data_zone": terms.data_zone or "",
        "data_gb": str(terms.data_gb or ""),
        "user_zone": terms.user_zone or "",
        "latency_ms_max": "" if terms.latency_ms_max is None else str(terms.latency_ms_max),
        "traffic_gb_per_chip_hour": str(terms.traffic_gb_per_chip_hour or ""),
        "notice_periods": str(terms.notice_periods or ""),
        "exclusive_group": terms.exclusive_group or "",
        "linked_to": terms.linked_to or "",
        "resource_code": terms.resource_code or "",
        "expires_at": hour_text(terms.expires_at),
        "alternatives": str(len(terms.alternatives)),
    }
    if shape.type == "block":
        fields |= {
            "block_chips": str(shape.chips),
            "block_chips_min": str(shape.chips_min or ""),
            "block_duration": str(shape.duration),
        }
    elif shape.type == "flow":
        fields["flow_chips"] = str(shape.chips)
    else:
        fields |= {
            "work_chip_hours": str(shape.chip_hours),
            "work_chips_max": str(shape.chips_max),
        }
    for number, item in enumerate(terms.alternatives):
        fields |= {f"a{number}_{name}": text for name, text in _alternative(item).items()}
    return fields


def _alternative(item: Alternative) -> Fields:
    need = item.requirement
    milli = item.equivalence_milli
    fields = {
        "chips": ",".join(item.chips_any_of),
        "regions": ",".join(item.regions),
        "zones": ",".join(item.zones),
        "limit": yuan_text(item.limit),
        "equivalence": "" if milli == 1_000 else f"{milli / 1_000:.3f}".rstrip("0").rstrip("."),
    }
    if need is not None:
        fields |= {
            "memory": str(need.memory_gb_min or ""),
            "tflops": str(need.tflops_min or ""),
            "domestic": {True: "yes", False: "no", None: ""}[need.domestic],
        }
    return fields


def read(fields: Fields) -> tuple[DemandTerms | None, dict[str, Message]]:
    """Return the terms that a form stands for, or what is wrong with it by field."""
    reader = Reader(fields, label_of)
    body: dict[str, Any] = {
        "shape": _shape(reader),
        "alternatives": [_read_alternative(reader, item) for item in range(count_of(fields))],
        "earliest": reader.hour("earliest", needed=True),
        "deadline": reader.hour("deadline", needed=True),
        "priority": reader.text("priority") or "standard",
        "budget": reader.yuan("budget"),
    }
    for name in ("data_gb", "latency_ms_max", "traffic_gb_per_chip_hour", "notice_periods"):
        value = reader.whole(name)
        if value is not None:
            body[name] = value
    for name in ("data_zone", "user_zone", "exclusive_group", "linked_to", "resource_code"):
        body[name] = reader.text(name) or None
    body["expires_at"] = reader.hour("expires_at")
    if reader.faults:
        return None, reader.faults
    try:
        return DemandTerms.model_validate(body), {}
    except ModelError as error:
        return None, faults(faults_of(error.errors(include_url=False)), fields)


def _shape(reader: Reader) -> dict[str, Any]:
    kind = reader.text("shape")
    if kind == "flow":
        return {"type": kind, "chips": reader.whole("flow_chips", needed=True)}
    if kind == "work":
        return {
            "type": kind,
            "chip_hours": reader.whole("work_chip_hours", needed=True),
            "chips_max": reader.whole("work_chips_max", needed=True),
        }
    return {
        "type": "block",
        "chips": reader.whole("block_chips", needed=True),
        "chips_min": reader.whole("block_chips_min"),
        "duration": reader.whole("block_duration", needed=True),
    }


def _read_alternative(reader: Reader, number: int) -> dict[str, Any]:
    at = f"a{number}_"
    need = {
        "memory_gb_min": reader.whole(f"{at}memory"),
        "tflops_min": reader.whole(f"{at}tflops"),
        "domestic": {"yes": True, "no": False}.get(reader.text(f"{at}domestic")),
    }
    chips = reader.names(f"{at}chips")
    is_needed = any(value is not None for value in need.values())
    if not chips and not is_needed:
        label = label_of(f"{at}chips")
        reader.fault(
            f"{at}chips",
            Message(
                f"{label.en}: choose at least one, or say what you need",
                f"{label.zh}：请至少选择一种，或填写要求",
            ),
        )
    milli = reader.milli(f"{at}equivalence")
    return {
        "chips_any_of": chips,
        "requirement": need if is_needed else None,
        "zones": reader.names(f"{at}zones"),
        "regions": reader.names(f"{at}regions"),
        "limit": reader.yuan(f"{at}limit", needed=True),
        "equivalence_milli": 1_000 if milli is None else milli,
    }


def faults(error: DomainError, fields: Fields) -> dict[str, Message]:
    """Return what the use cases find wrong, by field; ``""`` is the form as a whole."""
    kind = fields.get("shape", "block")

    def field_of(path: str) -> str:
        found = _ALTERNATIVE.fullmatch(path)
        if found is not None:
            name = _PATH_OF_ALTERNATIVE.get(found[2] or "chips_any_of", "chips")
            return f"a{found[1]}_{name}"
        head, _, rest = path.partition(".")
        if head == "shape":
            first = {"block": "block_chips", "flow": "flow_chips", "work": "work_chips_max"}
            return _OF_SHAPE.get(rest, first).get(kind, "shape")
        return _FIELD_OF.get(path, path if path in _LABELS else "")

    return told(error, field_of, label_of, lambda name: bool(_MONEY.fullmatch(name)))


# --- changes that a button makes --------------------------------------------------------------


def changed(fields: Fields, change: str, market: Market) -> Fields:
    """Return the form with a change that a button stands for: ``name:value``; others do nothing."""
    name, _, value = change.partition(":")
    made = {
        "add": _added,
        "remove": _removed,
        "limit": _limited,
        "chips": _shrunk,
        "moved": _moved,
        "other": _elsewhere,
    }.get(name)
    return fields if made is None else made(dict(fields), value, market)


def _added(fields: Fields, _: str, market: Market) -> Fields:
    number = count_of(fields)
    if number >= ALTERNATIVES_MAX:
        return fields
    last = f"a{number - 1}_"
    taken = set(fields.get(f"{last}chips", "").split(","))
    other = next((chip.id for chip in market.chips if chip.id not in taken), "")
    return fields | {
        "alternatives": str(number + 1),
        f"a{number}_chips": other,
        f"a{number}_regions": fields.get(f"{last}regions", ""),
        f"a{number}_limit": fields.get(f"{last}limit", ""),
    }


def _removed(fields: Fields, value: str, _: Market) -> Fields:
    number = count_of(fields)
    if number < 2 or not value.isdecimal() or len(value) > 2:
        return fields
    gone = int(value)
    kept: Fields = {}
    for name, text in fields.items():
        found = _FIELD.fullmatch(name)
        if found is None:
            kept[name] = text
        elif int(found[1]) != gone:
            place = int(found[1]) - (int(found[1]) > gone)
            kept[f"a{place}_{found[2]}"] = text
    return kept | {"alternatives": str(number - 1)}


def _limited(fields: Fields, value: str, _: Market) -> Fields:
    if not value.isdecimal() or len(value) > 15:
        return fields
    reader = Reader(fields, label_of)
    for number in range(count_of(fields)):
        name = f"a{number}_limit"
        # The hint does not tell which alternative it is of; the dearer ones need no change.
        if (reader.yuan(name) or 0) < int(value):
            fields[name] = yuan_text(int(value))
    return fields


def _shrunk(fields: Fields, value: str, _: Market) -> Fields:
    if not value.isdecimal() or len(value) > 6:
        return fields
    kind = fields.get("shape", "block")
    name = {"flow": "flow_chips", "work": "work_chips_max"}.get(kind, "block_chips")
    fields[name] = value
    least = fields.get("block_chips_min", "")
    if kind == "block" and least.isdecimal() and int(least) > int(value):
        fields["block_chips_min"] = ""
    return fields


def _moved(fields: Fields, value: str, _: Market) -> Fields:
    pool, at, start = value.rpartition("@")
    if not (pool and at) or not start.isdecimal() or len(start) > 9:
        return fields
    reader = Reader(fields, label_of)
    first = period_start(int(start))
    hours = reader.whole("block_duration") or 1 if fields.get("shape") == "block" else 1
    earliest, deadline = hour_text(first), hour_text(first + timedelta(hours=hours))
    # Times of a form are texts of one length, so they sort as the instants do.
    fields["earliest"] = min(fields.get("earliest") or earliest, earliest)
    fields["deadline"] = max(fields.get("deadline") or deadline, deadline)
    return fields


def _elsewhere(fields: Fields, value: str, _: Market) -> Fields:
    zone, slash, chip = value.partition("@")[0].partition("/")
    if not slash:
        return fields
    for number in range(count_of(fields)):
        chips = fields.get(f"a{number}_chips", "")
        if not chips or chip in chips.split(","):
            named = fields.get(f"a{number}_zones", "")
            if named or fields.get(f"a{number}_regions", ""):
                fields[f"a{number}_zones"] = ",".join(filter(None, (named, zone)))
    return fields


def slack_hours(terms: DemandTerms) -> int | None:
    """Return by how many hours a block may start late; ``None`` of what has no start."""
    if terms.shape.type != "block":
        return None
    window = period_of(terms.deadline) - period_of(terms.earliest)
    return window - terms.shape.duration
