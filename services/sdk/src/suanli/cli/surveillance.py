"""`suanli surveillance`: cases of market surveillance, for regulators."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli import options, ordering, units, words
from suanli.cli.ordering import VERDICT_S_MAX
from suanli.cli.render import Column, print_details, print_list, print_titled, ranked
from suanli.cli.session import Market, Output, Session, Text, argument, command, group, option

if TYPE_CHECKING:
    import typer

Json = dict[str, Any]
_POLL_S: Final = 0.2

_Case = Annotated[str, argument("CASE", en="Case's id, sc_...", zh="案件编号,sc_...")]
_Reason = Annotated[str, option("--reason", en="Why, for the record.", zh="原因,记入档案。")]


def summary(item: Json) -> Text:
    """Return what was found in a case, its prices in yuan."""
    figures = item["figures"]
    amounts = {
        figures[name]: _amount(figures[name])
        for name in vocabulary.MONEY_FIGURES
        if isinstance(figures.get(name), int)
    }
    return words.replaced((item["summary"]["en"], item["summary"]["zh"]), amounts)


def _amount(value: int) -> Text:
    return (f"{units.yuan(value)} yuan", f"{units.yuan(value)} 元")


def _figures(view: Json) -> Text:
    found = []
    for name, value in view["figures"].items():
        told = (str(value), str(value))
        if isinstance(value, int):
            plain = f"{value:,}"
            told = _amount(value) if name in vocabulary.MONEY_FIGURES else (plain, plain)
        en, zh = vocabulary.words(name, vocabulary.FIGURES)
        found.append((f"{en} {told[0]}", f"{zh} {told[1]}"))
    return ("; ".join(en for en, _ in found), ";".join(zh for _, zh in found))


_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("case_id", ("case", "案件"), "case_id"),
    words.text_column("day", ("day", "日期"), "day"),
    words.coded_column("kind", ("kind", "类别"), "kind", vocabulary.CASE_KINDS),
    words.coded_column("severity", ("severity", "程度"), "severity", vocabulary.SEVERITIES),
    words.coded_column("state", ("state", "状态"), "state", vocabulary.CASE_STATES),
    Column("summary", ("what was found", "发现"), summary, wraps=True),
    ranked(
        1,
        Column(
            "participants",
            ("participants", "参与方"),
            lambda item: " ".join(item["participants"]),
            wraps=True,
        ),
    ),
    ranked(2, words.count_column("evidence_total", ("evidence", "证据数"), "evidence_total")),
)
_CHANGES: Final[tuple[Column, ...]] = (
    words.time_column("changed_at", ("time", "时间"), "changed_at", seconds=True),
    words.coded_column("state", ("state", "状态"), "state", vocabulary.CASE_STATES),
    words.text_column("changed_by", ("by", "操作人"), "changed_by"),
    Column("reason", ("reason", "原因"), lambda item: str(item["reason"]), wraps=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "surveillance",
        en="Cases of market surveillance (regulator).",
        zh="市场监察案件(监管方)。",
    )
    command(noun, "cases", en="List cases, latest first.", zh="列出案件,新者在前。")(_cases)
    command(noun, "show", en="Show a case with its evidence.", zh="查看案件及证据。")(_show)
    command(noun, "review", en="Take a case up.", zh="开始审查案件。")(_review)
    command(noun, "close", en="Close a case.", zh="结案。")(_close)
    command(noun, "reopen", en="Open a closed case again.", zh="重新开启案件。")(_reopen)


def _cases(
    session: Session,
    *,
    market: Market = None,
    day: Annotated[
        str | None, option("--day", en="Only of this day (UTC).", zh="仅此日期(UTC)。")
    ] = None,
    state: Annotated[
        Literal["open", "under-review", "closed"] | None,
        option("--state", en="Only in this state.", zh="仅此状态。"),
    ] = None,
    kind: Annotated[
        str | None, option("--kind", en="Only of this kind, such as wash.", zh="仅此类别。")
    ] = None,
    where: options.Where = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(
        "/v1/surveillance/cases", market_id=market, day=day, state=state, kind=kind, filter=where
    )
    found = ordering.take(session, pages, limit)
    print_list(session, found, _COLUMNS, empty=("No cases.", "暂无案件。"))


def _show(session: Session, case: _Case) -> None:
    _print(session, _read(session, case))


def _review(session: Session, case: _Case, reason: _Reason, key: options.Key = None) -> None:
    _change(session, case, ("under-review", reason), key)


def _close(session: Session, case: _Case, reason: _Reason, key: options.Key = None) -> None:
    _change(session, case, ("closed", reason), key)


def _reopen(session: Session, case: _Case, reason: _Reason, key: options.Key = None) -> None:
    _change(session, case, ("open", reason), key)


def _read(session: Session, case: str) -> Json:
    view: Json = session.client.send(ops.read(f"/v1/surveillance/cases/{case}"))
    return view


def _change(session: Session, case: str, to: tuple[str, str], key: str | None) -> None:
    version = _read(session, case)["version"]
    state, reason = to
    receipt = session.client.send(ops.change_case(case, state, reason, version, key))
    end_s = time.monotonic() + VERDICT_S_MAX
    while (view := _read(session, case))["version"] <= version and time.monotonic() < end_s:
        time.sleep(_POLL_S)
    if session.output is Output.JSON:
        session.print_json({"receipt": receipt, "case": view})
        return
    _print(session, view)


def _print(session: Session, view: Json) -> None:
    if session.output is Output.JSON:
        session.print_json(view)
        return
    print_details(
        session,
        view,
        [
            ("case_id", ("case", "案件"), view["case_id"]),
            ("day", ("day", "日期"), view["day"]),
            ("kind", ("kind", "类别"), vocabulary.words(view["kind"], vocabulary.CASE_KINDS)),
            (
                "severity",
                ("severity", "程度"),
                vocabulary.words(view["severity"], vocabulary.SEVERITIES),
            ),
            ("state", ("state", "状态"), vocabulary.words(view["state"], vocabulary.CASE_STATES)),
            ("summary", ("what was found", "发现"), summary(view)),
            ("participants", ("participants", "参与方"), " ".join(view["participants"])),
            ("figures", ("figures", "指标"), _figures(view)),
            ("evidence_total", ("pieces of evidence", "证据数"), str(view["evidence_total"])),
            ("evidence", ("evidence", "证据"), " ".join(view["evidence"])),
        ],
    )
    if session.output is Output.TABLE and view["changes"]:
        print_titled(session, ("Record", "处理记录"))
        print_list(session, view["changes"], _CHANGES, empty=("", ""))
