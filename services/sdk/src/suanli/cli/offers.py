"""`suanli offers`: a provider's priced capacity."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import options, ordering, previews, submitting, terms, units, words
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import Market, Session, argument, command, group, help_text, option

Json = dict[str, Any]
_SIDE: Final = "offers"

_Id = Annotated[str, argument("OFFER", en="Offer, off_...", zh="供给报价,off_...")]
_Bought = Annotated[
    str, argument("ALLOCATION", en="Allocation that you bought, al_...", zh="买到的分配,al_...")
]
_File = Annotated[
    Path | None,
    option(
        "--file",
        "-f",
        en="Terms as JSON, YAML or CSV, one offer or a list; amounts in micro-yuan, or in yuan as "
        "ask_yuan.",
        zh="条款文件(JSON、YAML 或 CSV),一项或列表;金额为微元,或以 ask_yuan 给出元。",
    ),
]
_Pool = Annotated[str | None, option("--pool", en="Pool as zone/chip.", zh="资源池,区域/芯片。")]
_Zone = Annotated[str | None, option("--zone", en="Zone.", zh="区域。")]
_Chip = Annotated[str | None, option("--chip", en="Chip class.", zh="芯片型号。")]
_Chips = Annotated[int | None, option("--chips", en="Chips in each hour.", zh="每小时芯片数。")]
_Start = Annotated[
    str | None,
    option(
        "--start",
        en="First hour: an instant with a time zone, or +2h from the current full hour.",
        zh="起始时刻:带时区的时刻,或自当前整点起的 +2h。",
    ),
]
_End = Annotated[
    str | None, option("--end", en="End, exclusive; same forms.", zh="结束(不含);形式同上。")
]
_Ask = Annotated[
    str | None,
    option("--ask", en="Lowest price, yuan per chip-hour.", zh="最低价格,元/卡时。"),
]
_AskNeeded = Annotated[
    str, option("--ask", en="Lowest price, yuan per chip-hour.", zh="最低价格,元/卡时。")
]
_Block = Annotated[
    bool | None,
    typer.Option(
        "--block/--divisible",
        help=help_text(("Taken whole in every hour, or not at all.", "全有或全无。")),
        show_default=False,
    ),
]
_Code = Annotated[
    str | None,
    option(
        "--resource-code",
        en="Resource identification code; by default your own.",
        zh="资源标识编码;默认为本方编码。",
    ),
]
_Capacity = Annotated[
    int | None,
    option(
        "--capacity-chips",
        en="Chips of the resource in all; offers with its code share them over all markets.",
        zh="该资源的芯片总数;同一编码的各市场报价共享。",
    ),
]

_Reserve = Annotated[
    str | None,
    option(
        "--mobilisable",
        en="May also be called for an emergency, at this price, yuan per chip-hour.",
        zh="亦可被紧急调用,约定价,元/卡时。",
    ),
]

_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("order_id", ("offer", "供给报价"), "order_id"),
    Column("state", ("state", "状态"), lambda item: words.state(item["state"])),
    Column(
        "pool",
        ("pool", "资源池"),
        lambda item: f"{item['terms']['zone']}/{item['terms']['chip']}",
    ),
    Column(
        "chips",
        ("chips", "芯片"),
        lambda item: words.count(item["terms"]["chips"]),
        lambda item: item["terms"]["chips"],
        number=True,
    ),
    Column(
        "ask_yuan_per_chip_hour",
        ("ask (yuan/chip-hour)", "报价(元/卡时)"),
        lambda item: words.money(item["terms"]["ask"]),
        lambda item: words.money_plain(item["terms"]["ask"]),
        number=True,
    ),
    ranked(
        3,
        Column(
            "window",
            ("window (UTC)", "窗口(UTC)"),
            lambda item: units.window(item["terms"]["start"], item["terms"]["end"]),
            lambda item: f"{item['terms']['start']}/{item['terms']['end']}",
        ),
    ),
    ranked(
        4,
        Column(
            "block",
            ("block", "整块"),
            lambda item: words.yes(item["terms"]["block"] or None),
            lambda item: str(item["terms"]["block"]).lower(),
        ),
    ),
    ranked(
        2,
        words.count_column(
            "chip_hours_allocated", ("sold (chip-hours)", "已售(卡时)"), "chip_hours_allocated"
        ),
    ),
    ranked(
        5,
        words.text_column("participant_id", ("provider", "供给方"), "participant_id"),
        varied=True,
    ),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "offers", en="Offers: capacity that you price.", zh="供给报价。")
    command(noun, "list", en="List your offers, newest first.", zh="列出供给报价,新者在前。")(_list)
    command(noun, "show", en="Show an offer with its history.", zh="查看供给报价及其经过。")(_show)
    command(noun, "create", en="Offer capacity.", zh="提交供给报价。")(_create)
    submitting.register(noun, _SIDE)
    command(noun, "resell", en="Offer what an allocation gave you.", zh="转售买到的分配。")(_resell)
    command(noun, "amend", en="Change an offer's terms.", zh="修改供给报价。")(_amend)
    command(noun, "cancel", en="Withdraw an offer; what is sold stands.", zh="撤销;已售部分有效。")(
        _cancel
    )


def _facts(order: Json) -> list[ordering.Fact]:
    offered = order["terms"]
    price = words.money(offered["ask"])
    facts = ordering.common_facts(order)
    facts[3:3] = [
        ("pool", ("pool", "资源池"), f"{offered['zone']}/{offered['chip']}"),
        ("chips", ("chips", "芯片"), words.count(offered["chips"])),
        ("ask_yuan_per_chip_hour", ("ask (yuan/chip-hour)", "报价(元/卡时)"), price),
        ordering.window_fact(("window", "窗口"), offered["start"], offered["end"]),
        ("block", ("all or nothing", "全有或全无"), words.yes(offered["block"] or None)),
    ]
    if offered.get("mobilisable"):
        label = ("in an emergency (yuan/chip-hour)", "紧急调用价(元/卡时)")
        agreed = words.money(offered["mobilisation_price"])
        facts.append(("mobilisation_price_yuan_per_chip_hour", label, agreed))
    if offered.get("resale_of"):
        facts.append(("resale_of", ("resale of", "转售分配"), offered["resale_of"]))
    if offered.get("capacity_chips"):
        shared = words.count(offered["capacity_chips"])
        facts.append(("capacity_chips", ("chips of the resource", "该资源芯片总数"), shared))
    return facts


def _list(
    session: Session,
    market: Market = None,
    state: options.OrderState = None,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages("/v1/offers", market_id=market, state=state, filter=where)
    found = ordering.take(session, pages, limit)
    print_list(
        session,
        found,
        _COLUMNS,
        empty=("No offers found.", "没有供给报价。"),
    )


def _show(session: Session, offer: _Id) -> None:
    order = ordering.read(session, _SIDE, offer)
    ordering.show(session, order, _facts(order))


def _create(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    *,
    market: Market = None,
    file: _File = None,
    pool: _Pool = None,
    zone: _Zone = None,
    chip: _Chip = None,
    chips: _Chips = None,
    ask: _Ask = None,
    start: _Start = None,
    end: _End = None,
    block: _Block = None,
    resource_code: _Code = None,
    capacity_chips: _Capacity = None,
    mobilisable: _Reserve = None,
    expires: options.Expires = None,
    key: options.Key = None,
    wait: options.Wait = True,
    dry_run: options.DryRun = False,
    print_terms: options.PrintTerms = False,
) -> None:
    found: Json | list[Json]
    if file is not None:
        from suanli.models import OfferTerms

        found = terms.timed(terms.load(file, OfferTerms), session.instant)
    else:
        own_zone, own_chip = terms.split_pool(pool, zone, chip)
        terms.need_each(chips=chips, ask=ask, start=start, end=end)
        found = {
            "zone": own_zone,
            "chip": own_chip,
            **_changes(session, chips, ask, start, end, block, resource_code, expires),
            **terms.given(capacity_chips=capacity_chips),
        }
        if mobilisable is not None:
            price = units.micro_of_yuan("--mobilisable", mobilisable)
            found |= {"mobilisable": True, "mobilisation_price": price}
    if isinstance(found, dict) and "resource_code" not in found:
        found["resource_code"] = submitting.own_code(session)
    if print_terms:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        ordering.place(
            session,
            _SIDE,
            session.market(market),
            found,
            key=key,
            wait=wait,
            dry_run=dry_run,
            facts=_facts,
        )


def _resell(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    allocation: _Bought,
    *,
    ask: _AskNeeded,
    market: Market = None,
    chips: _Chips = None,
    start: _Start = None,
    end: _End = None,
    resource_code: _Code = None,
    expires: options.Expires = None,
    key: options.Key = None,
    wait: options.Wait = True,
    dry_run: options.DryRun = False,
) -> None:
    where = f"allocation_id={allocation}"
    found = ordering.take(session, session.client.pages("/v1/allocations", filter=where), 1)
    if not found:
        raise UsageProblem("ALLOCATION", allocation, ("one that you bought", "自己买到的分配"))
    ordering.place(
        session,
        _SIDE,
        market or found[0]["market_id"],
        terms.resold(found[0], session.now)
        | _changes(session, chips, ask, start, end, None, resource_code, expires)
        | ({} if resource_code else {"resource_code": submitting.own_code(session)}),
        key=key,
        wait=wait,
        dry_run=dry_run,
        facts=_facts,
    )


def _amend(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    offer: _Id,
    *,
    file: _File = None,
    chips: _Chips = None,
    ask: _Ask = None,
    start: _Start = None,
    end: _End = None,
    block: _Block = None,
    resource_code: _Code = None,
    capacity_chips: _Capacity = None,
    expires: options.Expires = None,
    expected_version: options.ExpectedVersion = None,
    wait: options.Wait = True,
    dry_run: options.DryRun = False,
) -> None:
    order = ordering.read(session, _SIDE, offer)
    changes = _changes(session, chips, ask, start, end, block, resource_code, expires)
    changes |= terms.given(capacity_chips=capacity_chips)
    if file is not None:
        loaded = terms.timed(terms.load(file), session.instant)
        if isinstance(loaded, list):
            raise UsageProblem("--file", str(file), ("the terms of one offer", "一项报价的条款"))
        wanted = loaded
    elif changes:
        wanted = terms.amended_offer(order["terms"], changes)
    else:
        raise UsageProblem(
            "--ask", session.say(("absent", "缺失")), ("given, or another change", "给出某项修改")
        )
    if dry_run:
        version = expected_version or order["version"]
        previews.show(session, ops.amend(_SIDE, order["order_id"], version, wanted))
        return
    ordering.amend(
        session, _SIDE, order, wanted, expected_version=expected_version, wait=wait, facts=_facts
    )


def _cancel(session: Session, offer: _Id, wait: options.Wait = True) -> None:
    ordering.cancel(session, _SIDE, offer, wait=wait, facts=_facts)


def _changes(
    session: Session,
    chips: int | None,
    ask: str | None,
    start: str | None,
    end: str | None,
    block: bool | None,
    resource_code: str | None,
    expires: str | None,
) -> Json:
    return terms.given(
        chips=chips,
        ask=None if ask is None else units.micro_of_yuan("--ask", ask),
        start=None if start is None else session.instant("--start", start),
        end=None if end is None else session.instant("--end", end),
        block=block,
        resource_code=resource_code,
        expires_at=None if expires is None else session.instant("--expires", expires),
    )
