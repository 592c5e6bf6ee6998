"""`suanli mobilisation`: declare that a need is urgent, and see what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from suanli import operations as ops
from suanli.cli import options, ordering, units, words
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import Market, Session, argument, command, group, option
from suanli.operations import Operation

if TYPE_CHECKING:
    import typer

    from suanli.cli.ordering import Fact

Json = dict[str, Any]
_PATH: Final = "/v1/mobilisations"
_STATES: Final = {
    "proposed": "待确认",
    "declared": "生效",
    "ended": "已结束",
    "cancelled": "已撤销",
}
_Id = Annotated[str, argument("MOBILISATION", en="Mobilisation, mob_...", zh="动员,mob_...")]
_Reason = Annotated[str, option("--reason", en="Why; everybody can read it.", zh="原因,公开可见。")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "mobilisation",
        en="Urgent needs that are served before all other.",
        zh="优先于其他需求的紧急动员。",
    )
    command(
        noun,
        "declare",
        en="State an urgent need (regulator, operator); a second person confirms it.",
        zh="提出紧急动员(监管方、运营方);由第二人确认。",
    )(_declare)
    command(
        noun,
        "confirm",
        en="Confirm what another proposed; in force from the next round.",
        zh="确认他人提出的动员;自下一轮起生效。",
    )(_confirm)
    command(
        noun, "cancel", en="End it before its time, or withdraw it.", zh="提前结束或撤回动员。"
    )(_cancel)
    command(noun, "list", en="List mobilisations, latest first.", zh="列出动员,新者在前。")(_list)
    command(noun, "show", en="Show a mobilisation and what it took.", zh="查看动员及其用量。")(
        _show
    )


def _declare(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    *,
    market: Market = None,
    participant: Annotated[
        list[str],
        option(
            "--participant",
            en="Enterprise that may mark demand urgent; may be repeated.",
            zh="可提交紧急需求的需求方,可重复。",
        ),
    ],
    cap: Annotated[
        str,
        option("--cap", en="Most that it pays, yuan per chip-hour.", zh="价格上限,元/卡时。"),
    ],
    start: Annotated[
        str,
        option(
            "--from",
            en="First hour: an instant with a time zone, or +1h from the current full hour.",
            zh="起始时段:带时区的时刻,或自当前整点起的 +1h。",
        ),
    ],
    end: Annotated[
        str, option("--until", en="Ends by itself then; forms as above.", zh="届时自行结束。")
    ],
    reason: _Reason,
    zone: Annotated[
        list[str] | None, option("--zone", en="Zone; may be repeated.", zh="区域,可重复。")
    ] = None,
    region: Annotated[
        list[str] | None, option("--region", en="Region; may be repeated.", zh="地区,可重复。")
    ] = None,
    chip: Annotated[
        list[str] | None,
        option("--chip", en="Chip class; may be repeated.", zh="芯片型号,可重复。"),
    ] = None,
    rank: Annotated[
        int, option("--rank", en="1 (first) to 9 (last).", zh="1(最先)至 9(最后)。")
    ] = 5,
    key: options.Key = None,
) -> None:
    terms = {
        "zones": zone or [],
        "regions": region or [],
        "chips": chip or [],
        "participants": participant,
        "price_cap": units.micro_of_yuan("--cap", cap),
        "rank": rank,
        "start": session.instant("--from", start),
        "end": session.instant("--until", end),
        "reason": reason,
    }
    body = {"market_id": session.market(market), "terms": terms}
    operation = Operation("POST", _PATH, body=body, idempotency_key=key or ops.new_key())
    found = session.client.send(operation)
    _print(session, found)
    if found["state"] == "proposed":
        name = found["mobilisation_id"]
        session.note(
            (
                f"Another regulator or operator confirms it: suanli mobilisation confirm {name}",
                f"请由另一监管方或运营方确认:suanli mobilisation confirm {name}",
            )
        )


def _confirm(session: Session, mobilisation: _Id) -> None:
    _print(session, session.client.send(Operation("POST", f"{_PATH}/{mobilisation}/confirm")))


def _cancel(session: Session, mobilisation: _Id, reason: _Reason) -> None:
    operation = Operation("POST", f"{_PATH}/{mobilisation}/end", body={"reason": reason})
    _print(session, session.client.send(operation))


def _list(session: Session, market: Market = None, limit: options.Limit = ordering.LIMIT) -> None:
    found = ordering.take(session, session.client.pages(_PATH, market_id=market), limit)
    print_list(session, found, _COLUMNS, empty=("No mobilisations.", "暂无动员。"))


def _show(session: Session, mobilisation: _Id) -> None:
    _print(session, session.client.send(ops.read(f"{_PATH}/{mobilisation}")))


def _print(session: Session, found: Json) -> None:
    terms = found["terms"]
    where = ", ".join((*terms["zones"], *terms["regions"])) or "-"
    rows: list[Fact] = [
        ("mobilisation_id", ("mobilisation", "动员"), str(found["mobilisation_id"])),
        ("market_id", ("market", "市场"), str(found["market_id"])),
        ("state", ("state", "状态"), _state(found)),
        ("reason", ("because", "原因"), str(terms["reason"])),
        ("where", ("where", "地域"), where),
        ("chips", ("chips", "芯片"), ", ".join(terms["chips"]) or "-"),
        ("participants", ("for", "需求方"), ", ".join(terms["participants"])),
        ("price_cap", ("cap (yuan per chip-hour)", "价格上限(元/卡时)"),
         words.price(terms["price_cap"])),
        ordering.window_fact(("when", "时段"), terms["start"], terms["end"]),
        ("proposed_by", ("proposed by", "提出人"), str(found["proposed_by"])),
        ("declared_by", ("confirmed by", "确认人"), str(found.get("declared_by") or "")),
        ("ended_by", ("ended by", "结束人"), str(found.get("ended_by") or "")),
        ("ended_reason", ("ended because", "结束原因"), str(found.get("ended_reason") or "")),
        ("rounds", ("urgent rounds", "紧急轮次"), words.count(found["rounds"])),
        ("chip_hours", ("chip-hours given", "已分配卡时"), words.count(found["chip_hours"])),
        ("reserve_chip_hours", ("of these, reserve", "其中储备"),
         words.count(found["reserve_chip_hours"])),
        ("payment", ("paid", "金额"), words.money(found["payment"])),
    ]  # fmt: skip
    print_details(session, found, rows)


def _state(item: Json) -> tuple[str, str]:
    state = str(item["state"])
    return (state, _STATES.get(state, state))


def _window(item: Json) -> str:
    return units.window(item["terms"]["start"], item["terms"]["end"])


_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("mobilisation_id", ("mobilisation", "动员"), "mobilisation_id"),
    Column("state", ("state", "状态"), _state, lambda item: item["state"]),
    Column("window", ("when", "时段"), _window),
    Column(
        "participants",
        ("for", "需求方"),
        lambda item: " ".join(item["terms"]["participants"]),
        wraps=True,
    ),
    Column("reason", ("because", "原因"), lambda item: str(item["terms"]["reason"]), wraps=True),
    words.count_column("chip_hours", ("chip-hours", "卡时"), "chip_hours"),
    ranked(1, words.money_column("payment", ("paid", "金额"), "payment")),
)
