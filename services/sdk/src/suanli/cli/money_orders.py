"""Orders about money: sent, then booked or refused by the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import words
from suanli.cli.ordering import VERDICT_S_MAX
from suanli.cli.render import Column, print_details
from suanli.cli.session import EXIT_REFUSED, Output
from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from suanli.cli.ordering import Fact
    from suanli.cli.session import Session

Json = dict[str, Any]
_POLL_S: Final = 0.2
_NOT_FOUND: Final = 404
_STATES: Final = {"booked": "已入账", "refused": "已拒绝", "sent": "已发送"}

COLUMNS: Final[tuple[Column, ...]] = (
    words.time_column("refused_at", ("time", "时间"), "refused_at", seconds=True),
    words.text_column("order_ref", ("order", "指令"), "order_ref"),
    words.text_column("participant_id", ("participant", "参与方"), "participant_id"),
    words.money_column("amount", ("amount", "金额"), "amount"),
    words.money_column("free", ("free", "可用"), "free"),
    Column("reason", ("reason", "原因"), words.reason, wraps=True),
)


def tell(
    session: Session, receipt: Json, order_ref: str, facts: Sequence[Fact], *, wait: bool
) -> None:
    """Print what became of an order that was sent.

    Raises:
        typer.Exit: with 1, if it was refused.
    """
    found = _outcome(session, order_ref) if wait else None
    state = "sent" if found is None else str(found["state"])
    if session.output is Output.JSON:
        session.print_json({"receipt": receipt, "order": found})
    else:
        rows: list[Fact] = [
            ("order_ref", ("order", "指令"), order_ref),
            *facts,
            ("state", ("state", "状态"), (state, _STATES[state])),
            ("entry_id", ("booking", "分录"), str((found or {}).get("entry_id") or "")),
            ("refusal", ("reason", "原因"), words.reason(found or {})),
        ]
        print_details(session, receipt, rows)
    if state == "refused":
        raise typer.Exit(EXIT_REFUSED)


def _outcome(session: Session, order_ref: str) -> Json | None:
    end_s = time.monotonic() + VERDICT_S_MAX
    while True:
        try:
            found: Json = session.client.send(ops.read(f"/v1/money-orders/{order_ref}"))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        else:
            return found
        if time.monotonic() >= end_s:
            session.note(
                (
                    "The ledger has not answered yet; suanli account shows it later.",
                    "账本尚未答复;稍后可用 suanli account 查看。",
                )
            )
            return None
        time.sleep(_POLL_S)
