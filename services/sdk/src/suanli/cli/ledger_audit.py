"""The ledger's part of `suanli audit`: the journal and the capacity, worked out again here."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from suanli import operations as ops
from suanli.check_capacity import check_capacity
from suanli.check_chinese import in_chinese
from suanli.check_journal import CHECKS, Journal, entries_of
from suanli.check_log import check_heads
from suanli.cli import words
from suanli.cli.log import log_key
from suanli.cli.render import Column, print_list
from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from suanli.check_journal import Outcome
    from suanli.check_log import Key
    from suanli.cli.session import Session, Text

Json = dict[str, Any]
_HIDDEN: Final = frozenset({401, 403})
_PROBLEMS_SHOWN: Final = 3


def run(session: Session, *, needed: bool, key: str | None = None) -> list[Outcome] | None:
    """Check the ledger; ``None``, with a note, if the caller may not see it.

    Args:
        session: The run.
        needed: Whether a caller who may not see it is an error.
        key: Verifier key of the log; the exchange is asked if none is given.

    Raises:
        ApiError: if the exchange refuses, but for that.
    """
    # Heads first: every one of them is then within the entries that follow.
    listed = list(session.client.pages("/v1/log/heads"))
    heads = {int(head["size"]): str(head["root"]) for head in listed}
    journal = Journal(heads)
    try:
        for place, content in _watched(session, len(heads)):
            journal.add(place, content)
    except ApiError as error:
        if needed or error.status not in _HIDDEN:
            raise
        session.note(
            (
                "The ledger was not checked: that is for the regulator and the operator.",
                "未核验账本:仅监管方与运营方可核验。",
            )
        )
        return None
    outcomes = journal.outcomes()
    known = _key(session, key)
    if known is not None:
        outcomes.insert(1, check_heads(listed, known))
    allocations = session.client.pages("/v1/allocations")
    outcomes.extend(check_capacity(allocations, offers(session)))
    session.note(
        (
            f"Journal of {journal.size} entries, root {journal.root}.",
            f"日记账共 {journal.size} 条,根 {journal.root}。",
        )
    )
    return outcomes


def _key(session: Session, given: str | None) -> Key | None:
    """Return the log's key; ``None``, with a note, if the exchange has none."""
    try:
        return log_key(session, given)
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        session.note(("Heads of this log are not signed.", "该日志的检查点未签名。"))
        return None


def items(outcomes: Sequence[Outcome]) -> list[Json]:
    """Return the outcomes as JSON."""
    return [
        {
            "check": item.code,
            "ok": item.ok,
            "promise_en": CHECKS[item.code][0],
            "promise_zh": CHECKS[item.code][1],
            "checked": item.checked,
            "problems": item.problems,
        }
        for item in outcomes
    ]


def show(session: Session, rows: Sequence[Json]) -> None:
    """Print the outcomes."""
    print_list(session, rows, _COLUMNS, empty=("Nothing to check.", "无可核验内容。"))


def _watched(session: Session, heads: int) -> Iterator[tuple[int, bytes]]:
    from rich.progress import track

    entries = entries_of(session.client.pages("/v1/journal"))
    yield from track(
        entries,
        description=session.say(("Journal", "日记账")),
        console=session.notes,
        transient=True,
        disable=not session.notes.is_terminal or not heads,
    )


def offers(session: Session) -> Iterator[tuple[Json, list[Json]]]:
    """Yield each offer with all terms that it had."""
    for offer in session.client.pages("/v1/offers"):
        terms = [offer["terms"]]
        if int(offer["version"]) > 1 or offer.get("amendment"):
            order_id = offer["order_id"]
            found = session.client.send(ops.read(f"/v1/orders/{order_id}/versions"))
            terms = [row["terms"] for row in found]
        yield offer, terms


def _result(item: Json) -> Text:
    return ("ok", "通过") if item["ok"] else ("FAILED", "未通过")


def _problems(item: Json) -> tuple[str, str]:
    more = len(item["problems"]) - _PROBLEMS_SHOWN
    shown = item["problems"][:_PROBLEMS_SHOWN]
    tail = [f"+{more}"] if more > 0 else []
    return "; ".join([*shown, *tail]), "；".join([*map(in_chinese, shown), *tail])


_COLUMNS: Final[tuple[Column, ...]] = (
    Column("check", ("ledger", "账本"), lambda it: (it["promise_en"], it["promise_zh"]),
           lambda it: it["check"], wraps=True),
    Column("result", ("result", "结果"), _result, lambda it: "ok" if it["ok"] else "failed"),
    words.count_column("checked", ("checked", "核验数"), "checked"),
    Column("problems", ("problems", "问题"), _problems, wraps=True),
)  # fmt: skip
