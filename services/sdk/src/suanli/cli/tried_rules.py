"""Options that say a rule to be tried: price limits, a domestic share, a largest share, or any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from suanli.cli import units
from suanli.cli.errors import UsageProblem
from suanli.cli.session import option

Json = dict[str, Any]

Cap = Annotated[
    str | None, option("--cap", en="Price limits: yuan per chip-hour.", zh="价格上限,元/卡时。")
]
Floor = Annotated[str, option("--floor", en="Yuan per chip-hour.", zh="下限,元/卡时。")]
Chip = Annotated[
    str | None, option("--chip", en="Chip class; else every one.", zh="芯片型号;默认所有型号。")
]
Share = Annotated[
    str | None,
    option(
        "--share",
        en="Domestic share: percent of the TFLOPS-hours.",
        zh="国产占比:占 TFLOPS 小时的百分比。",
    ),
]
PremiumMax = Annotated[
    str | None,
    option(
        "--premium-max",
        en="Its highest premium, yuan per TFLOPS-hour.",
        zh="其溢价上限,元/TFLOPS 时。",
    ),
]
Largest = Annotated[
    str | None,
    option(
        "--largest",
        en="Largest share of one participant: percent of the chips.",
        zh="单个参与方最大份额:占芯片的百分比。",
    ),
]
Free = Annotated[
    int, option("--free", en="Chips that it allows in any case.", zh="其不受限的芯片数。")
]
Region = Annotated[
    str | None,
    option("--region", en="Region of either share; else all.", zh="上述占比的地区;默认全部。"),
]
Rule = Annotated[
    str | None, option("--rule", en="Any rule: JSON, or @FILE.", zh="任意规则:JSON 或 @文件。")
]

_KINDS = ("cap", "share", "largest", "rule")


def rule_of(given: Json) -> Json | None:
    """Return the rule that options say, ``None`` if they say none.

    Args:
        given: Values of the options above, by their names.

    Raises:
        UsageProblem: if they say more than one, or it cannot be read.
    """
    kinds = [name for name in _KINDS if given[name] is not None]
    if len(kinds) > 1:
        one = ("one of --cap, --share, --largest, --rule", "--cap、--share、--largest、--rule 之一")
        raise UsageProblem(f"--{kinds[1]}", str(given[kinds[1]]), one)
    if not kinds:
        return None
    if given["cap"] is not None:
        return {
            "kind": "price_limits",
            "chip": given["chip"],
            "floor": units.micro_of_yuan("--floor", given["floor"]),
            "cap": units.micro_of_yuan("--cap", given["cap"]),
        }
    if given["share"] is not None:
        if given["premium_max"] is None:
            raise UsageProblem("--premium-max", "", ("given with --share", "与 --share 同时给出"))
        return {
            "kind": "domestic_share",
            "region": given["region"],
            "share_bp": units.bp_of_percent("--share", given["share"]),
            "premium_max": units.micro_of_yuan("--premium-max", given["premium_max"]),
        }
    if given["largest"] is not None:
        return {
            "kind": "largest_share",
            "chip": given["chip"],
            "region": given["region"],
            "share_bp": units.bp_of_percent("--largest", given["largest"]),
            "chips_free": given["free"],
        }
    return _read(given["rule"])


def _read(rule: str) -> Json:
    said = ("a JSON object, or @FILE with one", "JSON 对象,或含该对象的 @文件")
    try:
        text = Path(rule[1:]).read_text(encoding="utf-8") if rule.startswith("@") else rule
        found = json.loads(text)
    except (OSError, ValueError):
        raise UsageProblem("--rule", rule, said) from None
    if not isinstance(found, dict):
        raise UsageProblem("--rule", rule, said)
    return found
