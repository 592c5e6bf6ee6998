"""`suanli erasures`: have what an entry says erased, and see what was."""

from __future__ import annotations

import hashlib
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.check_log import LogError, check_proof
from suanli.cli import options, ordering, words
from suanli.cli.log import LogKey, log_key
from suanli.cli.ordering import VERDICT_S_MAX
from suanli.cli.render import Column, print_details, print_list
from suanli.cli.session import (
    EXIT_REFUSED,
    Output,
    Session,
    argument,
    command,
    group,
    option,
)
from suanli.errors import ApiError

if TYPE_CHECKING:
    from suanli.cli.ordering import Fact

Json = dict[str, Any]
_POLL_S: Final = 0.2
_NOT_FOUND: Final = 404
_STATES: Final = {"ordered": "已提交", "erased": "已抹除", "refused": "已拒绝"}
_Entry = Annotated[
    str, argument("ENTRY", en="Entry's id, see suanli account --entries.", zh="条目编号。")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    erasures = group(
        app,
        "erasures",
        en="Erase what an entry of the journal says; its leaf and all sums stay.",
        zh="抹除日记账条目的内容;其叶与全部合计不变。",
    )
    command(
        erasures,
        "order",
        en="Erase an entry (operator). Without --confirm it only shows what would be.",
        zh="抹除条目(运营方)。未给出 --confirm 时仅显示将抹除的内容。",
    )(_order)
    command(
        erasures,
        "list",
        en="List orders to erase, latest first (regulator, operator).",
        zh="列出抹除指令,新者在前(监管方、运营方)。",
    )(_list)
    command(
        erasures,
        "show",
        en="Show an order and what became of it (regulator, operator).",
        zh="显示抹除指令及其结果(监管方、运营方)。",
    )(_show)


def _order(
    session: Session,
    entry: _Entry,
    reason: Annotated[
        str,
        option("--reason", en="Why, for the log: no names.", zh="原因,记入日志;勿写姓名。"),
    ],
    confirm: Annotated[
        str | None,
        option("--confirm", en="The entry's leaf hash, as shown without it.", zh="条目的叶哈希。"),
    ] = None,
    key: LogKey = None,
    wait: options.Wait = True,
) -> None:
    if confirm is None:
        _preview(session, entry, key)
        raise typer.Exit(EXIT_REFUSED)
    receipt = session.client.send(ops.erase(entry, confirm, reason))
    erasure_id = str(receipt["erasure_id"])
    found = _outcome(session, erasure_id) if wait else None
    _print(session, found or {"erasure_id": erasure_id, "entry_id": entry, "state": "ordered"})
    if found is not None and found["state"] == "refused":
        raise typer.Exit(EXIT_REFUSED)


def _preview(session: Session, entry: str, key: str | None) -> None:
    """Show what would be erased, verified against the log, and what confirms it."""
    content = session.client.download(f"/v1/log/proof/{entry}")
    try:
        proved = check_proof(content, log_key(session, key))
    except LogError as error:
        session.note((f"NOT VERIFIED {entry}: {error}", f"未通过 {entry}:{error}"))
        return
    leaf = hashlib.sha256(b"\x00" + proved.logged).hexdigest()
    if session.output is Output.JSON:
        session.print_json({"index": proved.index, "entry": proved.entry, "leaf_hash": leaf})
    elif proved.entry is None:
        sys.stdout.write(
            session.say((f"entry {proved.index} is erased already", f"第 {proved.index} 条已抹除"))
            + "\n"
        )
        return
    else:
        rows: list[Fact] = [
            ("entry_id", ("entry", "条目"), str(proved.entry["entry_id"])),
            ("index", ("place in the log", "日志序号"), str(proved.index)),
            ("purpose", ("for", "用途"), words.purpose(proved.entry)),
            ("amount", ("amount (yuan)", "金额(元)"), words.money(int(proved.entry["amount"]))),
            ("leaf_hash", ("leaf hash", "叶哈希"), leaf),
        ]
        print_details(session, proved.entry, rows)
    session.note(
        (
            f"Nothing was erased. If this is the one, add --confirm {leaf}",
            f"尚未抹除。若确为此条,请加 --confirm {leaf}",
        )
    )


def _outcome(session: Session, erasure_id: str) -> Json | None:
    end_s = time.monotonic() + VERDICT_S_MAX
    while True:
        found = _known(session, erasure_id)
        if found is not None and found["state"] != "ordered":
            return found
        if time.monotonic() >= end_s:
            session.note(
                (
                    "The ledger has not answered yet; suanli erasures show tells it later.",
                    "账本尚未答复;稍后可用 suanli erasures show 查看。",
                )
            )
            return found
        time.sleep(_POLL_S)


def _known(session: Session, erasure_id: str) -> Json | None:
    """Return an order, ``None`` until the exchange has read it from its log."""
    try:
        found: Json = session.client.send(ops.read(f"/v1/erasures/{erasure_id}"))
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return None
    return found


def _list(session: Session, limit: options.Limit = ordering.LIMIT) -> None:
    found = ordering.take(session, session.client.pages("/v1/erasures"), limit)
    print_list(session, found, _COLUMNS, empty=("Nothing was erased.", "没有抹除记录。"))


def _show(
    session: Session,
    erasure: Annotated[str, argument("ERASURE", en="Order's id.", zh="抹除指令编号。")],
) -> None:
    _print(session, session.client.send(ops.read(f"/v1/erasures/{erasure}")))


def _print(session: Session, found: Json) -> None:
    rows: list[Fact] = [
        ("erasure_id", ("order", "指令"), str(found["erasure_id"])),
        ("entry_id", ("entry", "条目"), str(found["entry_id"])),
        ("state", ("state", "状态"), _state(found)),
        ("reason", ("because", "事由"), str(found.get("reason") or "")),
        ("leaf_index", ("place in the log", "日志序号"), str(found.get("leaf_index") or "")),
        ("commitment", ("commitment", "承诺值"), str(found.get("commitment") or "")),
        ("erased_at", ("erased at", "抹除时间"), str(found.get("erased_at") or "")),
        ("refusal", ("refused because", "拒绝原因"), _refusal(found)),
    ]
    print_details(session, found, rows)


def _state(item: Json) -> tuple[str, str]:
    state = str(item["state"])
    return (state, _STATES.get(state, state))


def _refusal(item: Json) -> tuple[str, str]:
    return words.reason({"reason": item.get("refusal") or {}})


_COLUMNS: Final[tuple[Column, ...]] = (
    words.time_column("ordered_at", ("ordered", "提交"), "ordered_at", seconds=True),
    Column("state", ("state", "状态"), _state),
    words.text_column("erasure_id", ("order", "指令"), "erasure_id"),
    words.text_column("entry_id", ("entry", "条目"), "entry_id"),
    words.text_column("reason", ("because", "事由"), "reason"),
    Column("refusal", ("refused because", "拒绝原因"), _refusal, wraps=True),
)
