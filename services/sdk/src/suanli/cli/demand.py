"""`suanli demand`: an enterprise's priced need."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from suanli import operations as ops
from suanli.cli import needs, options, ordering, previews, quotes, submitting, terms, units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import Market, Session, Text, argument, command, group, help_text, option

Json = dict[str, Any]
_SIDE: Final = "demand"
# Chips of an alternative that stand for a thousand of the demand, unless it says otherwise.
_SAME_MILLI: Final = 1000

_Quote = Annotated[
    bool,
    option(
        "--quote",
        en="Say what it would get and cost by the last round; place nothing.",
        zh="仅按上一轮估算可成交结果与费用,不下单。",
    ),
]
_Id = Annotated[str, argument("DEMAND", en="Demand, dem_...", zh="需求,dem_...")]
_File = Annotated[
    Path | None,
    option(
        "--file",
        "-f",
        en="Terms as JSON, YAML or CSV, one demand or a list; amounts in micro-yuan, or in yuan as "
        "limit_yuan, budget_yuan.",
        zh="条款文件(JSON、YAML、CSV),一项或列表;金额为微元,或以 limit_yuan、budget_yuan 给出元。",
    ),
]
_Shape = Annotated[
    Literal["block", "flow", "work"],
    option(
        "--shape",
        en="block: chips for hours on end; flow: chips in each hour; work: chip-hours in total.",
        zh="block:连续数小时;flow:逐小时;work:总卡时。",
    ),
]
_Chips = Annotated[
    int | None,
    option(
        "--chips",
        en="Chips at once (block, flow); at most at once (work).",
        zh="同时使用的芯片数(work 为上限)。",
    ),
]
_ChipsMin = Annotated[
    int | None,
    option("--chips-min", en="Fewest that still help (block).", zh="仍可接受的最少芯片(block)。"),
]
_Hours = Annotated[
    int | None, option("--hours", en="Hours on end (block).", zh="连续小时数(block)。")
]
_ChipHours = Annotated[
    int | None, option("--chip-hours", en="Chip-hours in total (work).", zh="总卡时(work)。")
]
_Chip = Annotated[
    list[str] | None, option("--chip", en="Chip class; may be repeated.", zh="芯片型号,可重复。")
]
_Zone = Annotated[
    list[str] | None, option("--zone", en="Zone; may be repeated.", zh="区域,可重复。")
]
_Region = Annotated[
    list[str] | None, option("--region", en="Region; may be repeated.", zh="地区,可重复。")
]
_MemoryMin = Annotated[
    int | None, option("--memory-gb-min", en="Memory per chip, GB.", zh="单芯片显存,GB。")
]
_TflopsMin = Annotated[
    int | None, option("--tflops-min", en="Speed per chip, TFLOPS.", zh="单芯片算力,TFLOPS。")
]
_Domestic = Annotated[
    bool | None,
    typer.Option(
        "--domestic/--foreign",
        help=help_text(("Origin of the chips.", "国产或国外芯片。")),
        show_default=False,
    ),
]
_LimitPrice = Annotated[
    str | None,
    option("--limit", en="Highest price, yuan per chip-hour.", zh="最高价格,元/卡时。"),
]
_Earliest = Annotated[
    str | None,
    option(
        "--earliest",
        en="May begin then: an instant with a time zone, or +2h from the current full hour.",
        zh="最早开始:带时区的时刻,或自当前整点起的 +2h。",
    ),
]
_Deadline = Annotated[
    str | None,
    option("--deadline", en="Must have ended by then.", zh="最迟结束。"),
]
_Budget = Annotated[
    str | None, option("--budget", en="Most it will ever spend, yuan.", zh="预算上限,元。")
]
_UserZone = Annotated[
    str | None, option("--user-zone", en="Where its callers are.", zh="用户所在区域。")
]
_Latency = Annotated[
    int | None,
    option("--latency-ms-max", en="Farthest from them, ms.", zh="到用户的最大时延,毫秒。"),
]
_Group = Annotated[
    str | None,
    option("--exclusive-group", en="At most one of a group.", zh="互斥组,至多成交一项。"),
]
_Linked = Annotated[
    str | None,
    option("--linked-to", en="Only if that demand is accepted.", zh="仅当该需求成交。"),
]

_Priority = Annotated[
    Literal["urgent", "standard", "interruptible"] | None,
    option(
        "--priority",
        en="urgent is for those whom a mobilisation names; see suanli mobilisation list.",
        zh="urgent 仅限动员所列的需求方;见 suanli mobilisation list。",
    ),
]


def _shape_text(item: Json) -> Text:
    shape = item["terms"]["shape"]
    if shape["type"] == "work":
        hours, most = f"{shape['chip_hours']:,}", f"{shape['chips_max']:,}"
        return (f"work {hours} chip-hours <={most}", f"总量 {hours} 卡时 <={most}")
    chips = f"{shape['chips']:,}"
    if shape["type"] == "flow":
        return (f"flow {chips}", f"流式 {chips}")
    if shape.get("chips_min") not in (None, shape["chips"]):
        chips = f"{shape['chips_min']:,}-{chips}"
    hours = shape["duration"]
    return (f"block {chips} x {hours} h", f"整块 {chips} x {hours} h")


def _alternative_text(one: Json) -> str:
    needs = one.get("requirement") or {}
    parts = list(one["chips_any_of"])
    parts += [f">={needs['memory_gb_min']} GB"] if needs.get("memory_gb_min") else []
    parts += [f">={needs['tflops_min']} TFLOPS"] if needs.get("tflops_min") else []
    if needs.get("domestic") is not None:
        parts.append("domestic" if needs["domestic"] else "foreign")
    where = ", ".join([*one["zones"], *one["regions"]])
    chips = "|".join(one["chips_any_of"]) if len(parts) == len(one["chips_any_of"]) else None
    text = chips or ", ".join(parts)
    if one["equivalence_milli"] != _SAME_MILLI:
        text += f" ({one['equivalence_milli'] / _SAME_MILLI:g} for 1)"
    return f"{text} @ {where}" if where else text


def _limits(item: Json, *, grouped: bool = True) -> str:
    limits = [one["limit"] for one in item["terms"]["alternatives"]]
    low, high = min(limits), max(limits)
    if low == high:
        return units.yuan(low, grouped=grouped)
    return f"{units.yuan(low, grouped=grouped)}-{units.yuan(high, grouped=grouped)}"


def _chips_text(item: Json) -> str:
    first, *rest = item["terms"]["alternatives"]
    more = f" (+{len(rest)})" if rest else ""
    return f"{_alternative_text(first)}{more}"


def _held(item: Json) -> int | None:
    hold = item.get("hold")
    return int(hold["amount"]) if hold and hold["state"] == "placed" else None


_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("order_id", ("demand", "需求"), "order_id"),
    Column("state", ("state", "状态"), lambda item: words.state(item["state"])),
    ranked(2, Column("shape", ("shape", "形态"), _shape_text)),
    ranked(3, Column("chips", ("chips (alternatives)", "芯片(备选)"), _chips_text)),
    Column(
        "limit_yuan_per_chip_hour",
        ("limit (yuan/chip-hour)", "限价(元/卡时)"),
        _limits,
        lambda item: _limits(item, grouped=False),
        number=True,
    ),
    ranked(
        4,
        Column(
            "window",
            ("window (UTC)", "窗口(UTC)"),
            lambda item: units.window(item["terms"]["earliest"], item["terms"]["deadline"]),
            lambda item: f"{item['terms']['earliest']}/{item['terms']['deadline']}",
        ),
    ),
    ranked(
        1,
        words.count_column(
            "chip_hours_allocated", ("got (chip-hours)", "已得(卡时)"), "chip_hours_allocated"
        ),
    ),
    ranked(
        1,
        Column(
            "held_yuan",
            ("held (yuan)", "冻结(元)"),
            lambda item: words.money(_held(item) or None),
            lambda item: words.money_plain(_held(item)),
            number=True,
        ),
    ),
    ranked(
        5,
        words.text_column("participant_id", ("enterprise", "需求方"), "participant_id"),
        varied=True,
    ),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "demand", en="Demand: capacity that you need.", zh="算力需求。")
    command(noun, "list", en="List your demand, newest first.", zh="列出需求,新者在前。")(_list)
    command(noun, "show", en="Show a demand with its history.", zh="查看需求及其经过。")(_show)
    command(noun, "create", en="Ask for capacity.", zh="提交需求。")(_create)
    submitting.register(noun, _SIDE)
    command(
        noun,
        "amend",
        en="Change what a demand still wants.",
        zh="修改需求尚未成交的部分。",
    )(_amend)
    command(noun, "cancel", en="Withdraw what a demand still wants.", zh="撤销尚未成交的部分。")(
        _cancel
    )


def _facts(order: Json) -> list[ordering.Fact]:
    wanted = order["terms"]
    facts = ordering.common_facts(order)
    own: list[ordering.Fact] = [("shape", ("shape", "形态"), _shape_text(order))]
    for index, one in enumerate(wanted["alternatives"]):
        suffix = f"_{index + 1}" if len(wanted["alternatives"]) > 1 else ""
        own += [
            (f"chips{suffix}", ("chips", "芯片"), _alternative_text(one)),
            (
                f"limit_yuan_per_chip_hour{suffix}",
                ("  limit (yuan/chip-hour)", "  限价(元/卡时)"),
                words.money(one["limit"]),
            ),
        ]
    window = ordering.window_fact(("window", "窗口"), wanted["earliest"], wanted["deadline"])
    own += [
        window,
        ("budget_yuan", ("budget (yuan)", "预算(元)"), words.money(wanted["budget"])),
    ]
    facts[3:3] = own + needs.facts(wanted)
    label = ("money held, at most spent (yuan)", "冻结,即最高支出(元)")
    if order["state"] in words.TERMINAL:
        label = ("money held until the next round (yuan)", "冻结至下一轮(元)")
    facts.append(("held_yuan", label, words.money(_held(order) or None)))
    return facts


def _list(
    session: Session,
    market: Market = None,
    state: options.OrderState = None,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages("/v1/demand", market_id=market, state=state, filter=where)
    found = ordering.take(session, pages, limit)
    print_list(
        session,
        found,
        _COLUMNS,
        empty=("No demand found.", "没有需求。"),
    )


def _show(session: Session, demand: _Id) -> None:
    order = ordering.read(session, _SIDE, demand)
    ordering.show(session, order, _facts(order))


def _create(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    *,
    market: Market = None,
    file: _File = None,
    shape: _Shape = "block",
    chips: _Chips = None,
    chips_min: _ChipsMin = None,
    hours: _Hours = None,
    chip_hours: _ChipHours = None,
    chip: _Chip = None,
    zone: _Zone = None,
    region: _Region = None,
    memory_gb_min: _MemoryMin = None,
    tflops_min: _TflopsMin = None,
    domestic: _Domestic = None,
    limit: _LimitPrice = None,
    earliest: _Earliest = None,
    deadline: _Deadline = None,
    budget: _Budget = None,
    user_zone: _UserZone = None,
    latency_ms_max: _Latency = None,
    traffic_gb: needs.TrafficGb = None,
    data_zone: needs.DataZone = None,
    data_gb: needs.DataGb = None,
    exclusive_group: _Group = None,
    linked_to: _Linked = None,
    priority: _Priority = None,
    notice_hours: needs.Notice = None,
    expires: options.Expires = None,
    key: options.Key = None,
    wait: options.Wait = True,
    dry_run: options.DryRun = False,
    print_terms: options.PrintTerms = False,
    quote: _Quote = False,
) -> None:
    found: Json | list[Json]
    if file is not None:
        from suanli.models import DemandTerms

        found = terms.timed(terms.load(file, DemandTerms), session.instant)
    else:
        requirement = _requirement(
            chip, memory_gb_min=memory_gb_min, tflops_min=tflops_min, domestic=domestic
        )
        terms.need_each(limit=limit, earliest=earliest, deadline=deadline)
        alternative = _alternative(chip, zone, region, limit)
        found = {
            "shape": _new_shape(shape, chips, chips_min, hours, chip_hours),
            "alternatives": [{**alternative, **requirement}],
            **_changes(session, earliest, deadline, budget, expires),
            **terms.given(user_zone=user_zone, latency_ms_max=latency_ms_max),
            **terms.given(exclusive_group=exclusive_group, linked_to=linked_to, priority=priority),
            **needs.given(data_zone, data_gb, traffic_gb, notice_hours),
        }
    if print_terms:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    elif quote:
        quotes.show(session, session.market(market), found)
    else:
        ordering.place(
            session, _SIDE, session.market(market), found, key=key, wait=wait, dry_run=dry_run,
            facts=_facts,
        )  # fmt: skip


def _amend(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    demand: _Id,
    *,
    file: _File = None,
    chips: _Chips = None,
    chips_min: _ChipsMin = None,
    hours: _Hours = None,
    chip_hours: _ChipHours = None,
    chip: _Chip = None,
    zone: _Zone = None,
    region: _Region = None,
    limit: _LimitPrice = None,
    earliest: _Earliest = None,
    deadline: _Deadline = None,
    budget: _Budget = None,
    expires: options.Expires = None,
    expected_version: options.ExpectedVersion = None,
    wait: options.Wait = True,
    dry_run: options.DryRun = False,
) -> None:
    order = ordering.read(session, _SIDE, demand)
    if file is not None:
        loaded = terms.timed(terms.load(file), session.instant)
        if isinstance(loaded, list):
            raise UsageProblem("--file", str(file), ("the terms of one demand", "一项需求的条款"))
        wanted = loaded
    else:
        changes = _changes(session, earliest, deadline, budget, expires)
        shape = _shape_changes(order, chips, chips_min, hours, chip_hours)
        alternative = _alternative(chip, zone, region, limit)
        if not (changes or shape or alternative):
            raise UsageProblem(
                "--limit",
                session.say(("absent", "缺失")),
                ("given, or another change", "给出某项修改"),
            )
        wanted = terms.amended_demand(order["terms"], changes, shape, alternative)
    if dry_run:
        version = expected_version or order["version"]
        previews.show(session, ops.amend(_SIDE, order["order_id"], version, wanted))
        return
    ordering.amend(
        session, _SIDE, order, wanted, expected_version=expected_version, wait=wait, facts=_facts
    )


def _cancel(session: Session, demand: _Id, wait: options.Wait = True) -> None:
    ordering.cancel(session, _SIDE, demand, wait=wait, facts=_facts)


def _new_shape(
    shape: str,
    chips: int | None,
    chips_min: int | None,
    hours: int | None,
    chip_hours: int | None,
) -> Json:
    terms.need("--chips", chips)
    if shape == "work":
        terms.need("--chip-hours", chip_hours)
        used = {"chips_max": chips, "chip_hours": chip_hours}
        unused = {"--chips-min": chips_min, "--hours": hours}
    elif shape == "flow":
        used = {"chips": chips}
        unused = {"--chips-min": chips_min, "--hours": hours, "--chip-hours": chip_hours}
    else:
        terms.need("--hours", hours)
        used = {"chips": chips, "chips_min": chips_min, "duration": hours}
        unused = {"--chip-hours": chip_hours}
    _refuse_unused(shape, unused)
    return {"type": shape, **terms.given(**used)}


def _shape_changes(
    order: Json,
    chips: int | None,
    chips_min: int | None,
    hours: int | None,
    chip_hours: int | None,
) -> Json:
    shape = order["terms"]["shape"]["type"]
    if shape == "work":
        _refuse_unused(shape, {"--chips-min": chips_min, "--hours": hours})
        return terms.given(chips_max=chips, chip_hours=chip_hours)
    unused = {"--chip-hours": chip_hours}
    if shape == "flow":
        unused |= {"--chips-min": chips_min, "--hours": hours}
    _refuse_unused(shape, unused)
    return terms.given(chips=chips, chips_min=chips_min, duration=hours)


def _refuse_unused(shape: str, unused: dict[str, int | None]) -> None:
    for name, value in unused.items():
        if value is not None:
            raise UsageProblem(
                name, str(value), (f"left out: {shape} has no such size", f"去掉:{shape} 无此项")
            )


def _alternative(
    chip: list[str] | None, zone: list[str] | None, region: list[str] | None, limit: str | None
) -> Json:
    return terms.given(
        chips_any_of=chip,
        zones=zone,
        regions=region,
        limit=None if limit is None else units.micro_of_yuan("--limit", limit),
    )


def _requirement(chip: list[str] | None, **bounds: bool | int | None) -> Json:
    """Return what a chip must have, as the field of an alternative; else chips must be named."""
    needed = terms.given(**bounds)
    if not needed:
        terms.need("--chip", chip)
    return terms.given(requirement=needed or None)


def _changes(
    session: Session,
    earliest: str | None,
    deadline: str | None,
    budget: str | None,
    expires: str | None,
) -> Json:
    return terms.given(
        earliest=None if earliest is None else session.instant("--earliest", earliest),
        deadline=None if deadline is None else session.instant("--deadline", deadline),
        budget=None if budget is None else units.micro_of_yuan("--budget", budget),
        expires_at=None if expires is None else session.instant("--expires", expires),
    )
