"""`suanli deadletters`: records that nobody could take, and what is done about them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from suanli import operations as ops
from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import Output, Session, Text, argument, command, group, option
from suanli.operations import Operation

if TYPE_CHECKING:
    import typer

    from suanli.cli.ordering import Fact

Json = dict[str, Any]
_PATH: Final = "/v1/dead-letters"
_STATES: Final = {"open": "待处理", "redriven": "已重发", "discarded": "已搁置"}
_Id = Annotated[str, argument("LETTER", en="Its id, such as 2-17.", zh="死信编号,如 2-17。")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "deadletters",
        en="Records that nobody could take (regulator, operator).",
        zh="无法处理的记录(监管方、运营方)。",
    )
    command(noun, "list", en="List them, latest first.", zh="列出死信,新者在前。")(_list)
    command(noun, "show", en="Show one with its record.", zh="显示死信及其原始记录。")(_show)
    command(
        noun,
        "redrive",
        en="Send its record to its topic again, as it was; twice is once (operator).",
        zh="将原始记录重新发往其主题,重复执行仅生效一次(运营方)。",
    )(_redrive)
    command(
        noun,
        "discard",
        en="Put it aside, with the reason (operator).",
        zh="搁置死信并注明理由(运营方)。",
    )(_discard)


def _list(
    session: Session,
    state: Annotated[
        Literal["open", "redriven", "discarded"] | None,
        option("--state", en="Only in this state.", zh="仅此状态。"),
    ] = None,
    topic: Annotated[
        str | None, option("--topic", en="Only from this topic.", zh="仅此主题。")
    ] = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(_PATH, state=state, topic=topic)
    found = ordering.take(session, pages, limit)
    print_list(session, found, _COLUMNS, empty=("No dead letters.", "暂无死信。"))


def _show(session: Session, letter: _Id) -> None:
    found = session.client.send(ops.read(f"{_PATH}/{letter}"))
    print_details(session, found, _facts(found["letter"]))
    if session.output is not Output.TABLE:
        return
    if not found["is_there"]:
        session.note(("Its topic no longer holds the record.", "其主题已不再保存该记录。"))
        return
    for header in found["headers"]:
        sys.stdout.write(f"{header['name']}: {header['value']}\n")
    sys.stdout.write(f"\n{found['text']}\n")
    if not found["is_whole"]:
        session.note(("The rest is cut off.", "其余部分已截断。"))


def _redrive(session: Session, letter: _Id) -> None:
    made = session.client.send(Operation("POST", f"{_PATH}/{letter}/redrive"))
    print_details(session, made, _facts(made))


def _discard(
    session: Session,
    letter: _Id,
    *,
    reason: Annotated[str, option("--reason", en="Why.", zh="理由。")],
) -> None:
    body = {"reason": reason}
    made = session.client.send(Operation("POST", f"{_PATH}/{letter}/discard", body=body))
    print_details(session, made, _facts(made))


def _facts(letter: Json) -> list[Fact]:
    return [
        ("letter_id", ("letter", "死信"), str(letter["letter_id"])),
        ("state", ("state", "状态"), _state(letter)),
        ("source", ("record", "原始记录"), _source(letter)),
        ("consumer", ("refused by", "拒绝方"), str(letter["consumer"])),
        ("reason", ("why", "原因"), _fault(letter)),
        ("buried_at", ("buried (UTC)", "登记时间(UTC)"), str(letter["buried_at"])),
        ("decided_by", ("decided by", "处理人"), str(letter["decided_by"] or "")),
        ("decided_reason", ("reason", "理由"), str(letter["decided_reason"] or "")),
        ("sent_to", ("sent to", "重发至"), str(letter["sent_to"] or "")),
    ]


def _state(letter: Json) -> Text:
    name = str(letter["state"])
    return (name, _STATES.get(name, name))


def _source(letter: Json) -> str:
    return f"{letter['topic']}/{letter['partition']}@{letter['offset']}"


def _fault(letter: Json) -> str:
    told = [f"{letter['reason']}: {letter['field']}"]
    if letter["allowed"]:
        told.append(f"must be {letter['allowed']}, was {letter['value']}")
    return " ".join(told)


_COLUMNS: Final[tuple[Column, ...]] = (
    Column("letter_id", ("letter", "死信"), lambda item: item["letter_id"]),
    Column("state", ("state", "状态"), _state, lambda item: item["state"]),
    Column("source", ("record", "原始记录"), _source),
    Column("reason", ("why", "原因"), _fault, wraps=True),
    ranked(2, Column("bytes", ("bytes", "字节"), lambda item: str(item["bytes"]), number=True)),
    ranked(3, words.time_column("buried_at", ("buried", "登记时间"), "buried_at", seconds=True)),
)
