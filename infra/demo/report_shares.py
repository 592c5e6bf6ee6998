"""The report's part on the day's domestic share: what was asked, what came of it, what it cost."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from infra.demo import report_parts as parts
from infra.demo import words
from infra.demo.charts import ShareBar, premium_chart, share_chart
from infra.demo.figures import supplied_by_round
from infra.demo.svg import both

if TYPE_CHECKING:
    from infra.demo.facts import Facts, Json, Phrase

_VERSIONS: list[Phrase] = [
    ("version", "版本"),
    ("from round", "自第几轮"),
    ("share asked", "要求占比"),
    ("highest premium, yuan", "溢价上限（元）"),
    ("why", "理由"),
]
_ROUNDS: list[Phrase] = [
    ("round", "轮次"),
    ("time", "时间"),
    ("asked", "要求"),
    ("achieved", "实际"),
    ("premium, yuan", "溢价（元）"),
    ("missed, TFLOPS-hours", "缺口（TFLOPS 时）"),
    ("missed so far", "累计缺口"),
    ("charges, yuan", "收取（元）"),
    ("credits, yuan", "补贴（元）"),
]


def shares(facts: Facts) -> str:
    """Return what the regulator asked of domestic chips, round by round; nothing if nothing."""
    asked = [(row, share) for row in facts.shares for share in row["shares"]]
    if not asked:
        return ""
    bars = _bars(facts, asked[0][1]["region"])
    region = words.region(asked[0][1]["region"])
    missed = sum(share["shortfall"] > 0 for _, share in asked)
    bound = sum(share["premium"] > 0 for _, share in asked)
    charges, credits_ = (
        words.yuan(sum(share[name] for _, share in asked), 2) for name in ("charges", "credits")
    )
    told: Phrase = (
        (
            f"The regulator asked for a least share of domestic chips in the TFLOPS-hours "
            f"allocated in {region[0]}. Of {len(asked)} rounds {len(asked) - bound} kept it by "
            f"themselves and {bound} had a premium per TFLOPS-hour: imported supply pays it, "
            f"domestic supply receives it, buyers see one price. {missed} missed the share, with "
            f"the premium at its cap. Charges came to {charges} yuan and credits to {credits_}; "
            "the difference is rounding and stays in the policy fund."
        ),
        (
            f"监管要求{region[1]}分配的 TFLOPS 时中国产芯片不低于一定占比。{len(asked)} 轮中，"
            f"{len(asked) - bound} 轮自然达标，{bound} 轮需按每 TFLOPS 时的溢价达成：进口供给支付，"
            f"国产供给获得，买方只见一个价格。{missed} 轮在溢价上限处仍未达标。"
            f"收取合计 {charges} 元，补贴合计 {credits_} 元，差额为取整所余，留存政策资金。"
        ),
    )
    return parts.section(
        (f"A domestic share in {region[0]}", f"{region[1]}的国产占比要求"),
        told,
        parts.table(_VERSIONS, [_version(item["policy"]) for item in facts.policies], texts=(4,)),
        parts.legend(
            ("block domestic", ("domestic share, per cent", "国产占比（%）")),
            ("block gap", ("below the share asked", "低于要求占比")),
            ("wanted", ("share asked", "要求占比")),
        ),
        share_chart(bars),
        parts.legend(
            ("block welfare", ("premium, yuan per TFLOPS-hour", "溢价（元/TFLOPS 时）")),
            ("supply", ("its cap", "溢价上限")),
        ),
        premium_chart(bars),
        parts.folded(
            parts.table(_ROUNDS, [_round(row, share) for row, share in asked], texts=(0, 1))
        ),
    )


def _version(policy: Json) -> list[str]:
    rule = policy["rule"] or {}
    return [
        str(policy["version"]),
        f"{policy['in_force_from_round']:,}",
        f"{rule['share_bp'] / 100:g} %" if rule else both(("withdrawn", "撤销")),
        words.yuan(rule["premium_max"], 4) if rule else "",
        escape(policy["reason"]),
    ]


def _round(row: Json, share: Json) -> list[str]:
    achieved = words.achieved_of(share)
    return [
        str(row["seq"]),
        words.clock(datetime.fromisoformat(row["market_time"])),
        f"{share['share_bp'] / 100:g} %",
        "" if achieved is None else words.percent(achieved, 2),
        words.yuan(share["premium"], 4),
        f"{share['shortfall']:,}",
        f"{share['account']:,}",
        words.yuan(share["charges"], 2),
        words.yuan(share["credits"], 2),
    ]


def _bars(facts: Facts, region: str | None) -> list[ShareBar]:
    """Return every round of the day, so that those before and after it was asked can be seen."""
    asked = {row["round_id"]: row["shares"][0] for row in facts.shares}
    supplied = supplied_by_round(facts, region)
    bars = []
    for row in facts.rounds:
        whole, domestic = supplied.get(row["round_id"], (0, 0))
        share = asked.get(row["round_id"])
        bars.append(
            ShareBar(
                seq=row["seq"],
                achieved=domestic / whole if whole else None,
                asked=share["share_bp"] / 10_000 if share else None,
                is_missed=bool(share and share["shortfall"]),
                premium=share["premium"] if share else None,
                premium_max=share["premium_max"] if share else None,
            )
        )
    return bars
