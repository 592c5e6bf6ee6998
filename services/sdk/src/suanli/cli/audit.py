"""`suanli audit`: verify rounds and ledger here, without trusting the exchange."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from suanli.cli import audit_status, ledger_audit, units, words
from suanli.cli import offline as export
from suanli.cli.errors import UsageProblem
from suanli.cli.log import KEY_ALLOWED, LogKey, Witnesses, parse_key
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import (
    EXIT_REFUSED,
    Market,
    Output,
    Session,
    argument,
    command,
    option,
)
from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from suanli.check_journal import Outcome
    from suanli.checker import Report

Json = dict[str, Any]

_PROBLEMS_SHOWN: Final = 3
_WitnessesNeeded = Annotated[
    int | None,
    option(
        "--witnesses-needed",
        en="How many of these witnesses must have cosigned; all if left out.",
        zh="其中至少须有多少见证方共同签名;默认全部。",
        min=1,
    ),
]
# Number that the exchange lists of a round -> where the file has it.
_CLAIMS: Final[tuple[str, ...]] = ("welfare", "book_digest", "rules_digest", "total_regret")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one round.

    Attributes:
        round_id: The round.
        ok: Whether all of it is in order.
        welfare: Micro-yuan, as computed here.
        bound: Micro-yuan, as computed here.
        gap_ppm: Millionths that it may be from the best, at most.
        payment: Micro-yuan.
        chip_hours: Accepted.
        sha256: Of the file's bytes.
        problems: What is wrong, in English and Chinese.
    """

    round_id: str
    ok: bool
    welfare: int | None = None
    bound: int | None = None
    gap_ppm: int | None = None
    payment: int | None = None
    chip_hours: int | None = None
    sha256: str | None = None
    problems: tuple[tuple[str, str], ...] = ()


def _result(item: Json) -> tuple[str, str]:
    return ("verified", "通过") if item["ok"] else ("NOT VERIFIED", "未通过")


def _problems(item: Json) -> tuple[str, str]:
    shown = item["problems"][:_PROBLEMS_SHOWN]
    more = len(item["problems"]) - len(shown)
    tail = (f"; {more} more", f";另有 {more} 项") if more else ("", "")
    return (
        "; ".join(problem[0] for problem in shown) + tail[0],
        ";".join(problem[1] for problem in shown) + tail[1],
    )


_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("round_id", ("round", "轮次"), "round_id"),
    Column("result", ("result", "结果"), _result),
    words.money_column("welfare", ("welfare", "福利"), "welfare"),
    ranked(2, words.money_column("bound", ("at most", "上界"), "bound")),
    Column(
        "gap_percent",
        ("gap (%)", "差距(%)"),
        lambda item: "" if item["gap_ppm"] is None else units.percent_of_ppm(item["gap_ppm"]),
        number=True,
    ),
    ranked(1, words.money_column("payment", ("payment", "付款"), "payment")),
    ranked(2, words.count_column("chip_hours", ("chip-hours", "卡时"), "chip_hours")),
    ranked(
        3,
        Column(
            "sha256",
            ("file (SHA-256)", "文件 SHA-256"),
            lambda it: (it["sha256"] or "")[:16],
            lambda it: it["sha256"],
        ),
    ),
    Column("problems", ("problems", "问题"), _problems, wraps=True),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "audit",
        en="Verify rounds and ledger here, without trusting the exchange.\n\n"
        "Rounds: downloads each file, compares it with its hash on the log, checks every rule in "
        "exact integers, and compares the numbers that the exchange lists with the file's. Ledger "
        "(regulator, operator): downloads the journal and works out again its hashes, sums, "
        "balances and holds, and that no hour was oversold. Exit code 0: all right; 1: a problem.",
        zh="在本机核验轮次与账本,无需信任交易所。\n\n"
        "轮次:下载每个文件,与日志中的哈希比对,以精确整数检查全部规则,并比对交易所所列数字。"
        "账本(监管方、运营方):下载日记账,重新计算哈希、合计、余额与冻结,并检查有无超卖时段。"
        "退出码 0:全部通过;1:发现问题。",
    )(_audit)


def _audit(  # noqa: PLR0913 - each is an option of the command line
    session: Session,
    what: Annotated[
        Literal["status"] | None,
        argument(
            "[status]",
            en="How far the exchange's own auditor is, instead.",
            zh="改为显示交易所审计服务的进度。",
        ),
    ] = None,
    *,
    market: Market = None,
    only: Annotated[
        Literal["rounds", "ledger"] | None,
        option("--only", en="One of the two parts.", zh="仅核验其中一部分。"),
    ] = None,
    first: Annotated[
        int | None, option("--from-round", en="First round's number.", zh="起始序号。")
    ] = None,
    last: Annotated[
        int | None, option("--to-round", en="Last round's number.", zh="结束序号。")
    ] = None,
    keep: Annotated[
        Path | None, option("--keep", en="Folder to keep the files in.", zh="保存文件的目录。")
    ] = None,
    key: LogKey = None,
    offline: Annotated[
        Path | None,
        option(
            "--offline",
            en="Audit this export of `suanli log export`, without the exchange.",
            zh="离线核验 `suanli log export` 的导出目录。",
        ),
    ] = None,
    witness: Witnesses = None,
    needed: _WitnessesNeeded = None,
) -> None:
    if what == "status":
        audit_status.show(session)
        return
    if only is None and session.output is Output.CSV:
        raise UsageProblem("--only", "-", ("rounds or ledger with -o csv", "rounds 或 ledger"))
    if offline is not None:
        _audit_offline(session, offline, only, (key, witness or [], needed))
        return
    if witness or needed:
        raise UsageProblem(
            "--witness", (witness or [""])[0][:80], ("given with --offline", "与 --offline 同用")
        )
    parts: Json = {}
    verdicts: list[Verdict] = []
    if only != "ledger":
        market_id = session.market(market)
        rounds = sorted(_rounds(session, market_id, first, last), key=lambda it: int(it["seq"]))
        told = session.client.pages("/v1/shares", market_id=market_id)
        shares = {str(item["round_id"]): list(item["shares"]) for item in told}
        verdicts = _gaps(rounds) + _verified(session, rounds, shares, keep)
        verdicts.sort(key=lambda item: int(item.round_id.rpartition(":")[2]))
        parts["rounds"] = [asdict(item) for item in verdicts]
    outcomes = (
        None if only == "rounds" else ledger_audit.run(session, needed=only == "ledger", key=key)
    )
    if outcomes is not None:
        parts["ledger"] = ledger_audit.items(outcomes)
    _finish(session, parts, verdicts, outcomes)


def _audit_offline(
    session: Session, folder: Path, only: str | None, keys: tuple[str | None, list[str], int | None]
) -> None:
    parts: Json = {}
    verdicts: list[Verdict] = []
    outcomes = None
    if only != "ledger":
        shares = export.shares_of(folder)
        verdicts = [judge(item, content, shares) for item, content in export.rounds_of(folder)]
        verdicts.sort(key=lambda item: int(item.round_id.rpartition(":")[2]))
        parts["rounds"] = [asdict(item) for item in verdicts]
    if only != "rounds":
        key, witness, needed = keys
        if key is None:
            raise UsageProblem("--log-key", session.say(("absent", "缺失")), KEY_ALLOWED)
        witnesses = [parse_key("--witness", text) for text in witness]
        if needed is not None and needed > len(witnesses):
            raise UsageProblem(
                "--witnesses-needed",
                str(needed),
                (f"1 to {len(witnesses)}, the witnesses given", f"1 至 {len(witnesses)}"),
            )
        outcomes = export.run(folder, parse_key("--log-key", key), witnesses, needed)
        parts["ledger"] = ledger_audit.items(outcomes)
    _finish(session, parts, verdicts, outcomes)


def _finish(
    session: Session, parts: Json, verdicts: Sequence[Verdict], outcomes: Sequence[Outcome] | None
) -> None:
    """Print what was found; end with the exit code that says so."""
    if session.output is Output.JSON:
        session.print_json(parts)
    else:
        if "rounds" in parts:
            empty = ("No published round.", "尚无已公布的轮次。")
            print_list(session, parts["rounds"], _COLUMNS, empty=empty)
        if "ledger" in parts:
            ledger_audit.show(session, parts["ledger"])
    bad = sum(not item.ok for item in verdicts)
    if "rounds" in parts:
        good = len(verdicts) - bad
        session.note(
            (
                f"{good} {'round' if good == 1 else 'rounds'} verified, {bad} with problems.",
                f"{good} 轮通过,{bad} 轮有问题。",
            )
        )
    if bad or any(not item.ok for item in outcomes or ()):
        raise typer.Exit(EXIT_REFUSED)


def _rounds(
    session: Session, market_id: str, first: int | None, last: int | None
) -> Iterator[Json]:
    for item in session.client.pages("/v1/rounds", market_id=market_id):
        seq = int(item["seq"])
        # The latest one is often still being cleared: no file is no fault yet.
        unfinished = item["state"] == "sealed" or item["file"]["state"] in {"none", "partial"}
        if unfinished or (first is not None and seq < first) or (last is not None and seq > last):
            continue
        yield item


def _gaps(rounds: Sequence[Json]) -> list[Verdict]:
    missing: list[Verdict] = []
    for before, after in pairwise(rounds):
        missing += [
            Verdict(
                f"{before['market_id']}:{seq}",
                ok=False,
                problems=(("round is missing or unpublished", "轮次缺失或未公布"),),
            )
            for seq in range(int(before["seq"]) + 1, int(after["seq"]))
        ]
    return missing


def _verified(
    session: Session, rounds: Sequence[Json], shares: Mapping[str, list[Json]], keep: Path | None
) -> list[Verdict]:
    from rich.progress import track

    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    found = []
    for item in track(
        rounds,
        description=session.say(("Verifying", "核验")),
        console=session.notes,
        transient=True,
        disable=not session.notes.is_terminal,
    ):
        round_id = str(item["round_id"])
        try:
            content = session.client.download(f"/v1/rounds/{round_id}/file")
        except ApiError as error:
            found.append(Verdict(round_id, ok=False, problems=((error.detail, error.detail),)))
            continue
        if keep is not None:
            (keep / f"{round_id.replace(':', '-')}.round.json").write_bytes(content)
        found.append(judge(item, content, shares))
    return found


def judge(listed: Json, content: bytes, shares: Mapping[str, list[Json]] | None = None) -> Verdict:
    """Return the verdict on a round.

    Args:
        listed: The round in numbers, as the exchange lists it.
        content: Bytes of its file.
        shares: What was told of domestic shares, by round; ``None`` to leave that out.
    """
    from suanli.check_told import compare_shares, shares_of
    from suanli.checker import verify_round_file

    report = verify_round_file(content)
    sha256 = hashlib.sha256(content).hexdigest()
    problems = [
        (
            f"{problem.where}: {problem.detail_en}",
            f"{problem.where}:{problem.detail_zh}",
        )
        for problem in report.problems
    ]
    if sha256 != listed["file"]["sha256"]:
        problems.append(_differs("file.sha256", listed["file"]["sha256"], sha256))
    payment = None
    # Only a file that is in order can be compared number by number.
    if report.ok:
        file = json.loads(content)
        payment = sum(int(demand["payment"]) for demand in file["result"]["demands"])
        problems += _claims(listed, file["result"], report, payment)
        if shares is not None:
            differs = compare_shares(shares_of(file), shares.get(str(listed["round_id"])))
            problems += [_differs(one.where, one.found, one.wanted) for one in differs]
    return Verdict(
        round_id=str(listed["round_id"]),
        ok=not problems,
        welfare=report.welfare,
        bound=report.bound,
        gap_ppm=report.gap_ppm,
        payment=payment,
        chip_hours=report.counts.get("chip_hours"),
        sha256=sha256,
        problems=tuple(problems),
    )


def _claims(listed: Json, result: Json, report: Report, payment: int) -> list[tuple[str, str]]:
    pairs = [(name, listed.get(name), result.get(name)) for name in _CLAIMS]
    pairs += [
        ("round_id", listed["round_id"], result["round_id"]),
        ("bound", listed["bound"], report.bound),
        ("payment", listed["payment"], payment),
        ("chip_hours", listed["chip_hours"], report.counts["chip_hours"]),
        ("allocations", listed["allocations"], report.counts["allocations"]),
        ("offers", listed["offers"], report.counts["offers"]),
        ("demands", listed["demands"], report.counts["demands"]),
    ]
    return [
        _differs(name, claimed, computed)
        for name, claimed, computed in pairs
        if claimed != computed
    ]


def _differs(name: str, claimed: object, computed: object) -> tuple[str, str]:
    return (
        f"{name}: listed as {claimed}, the file has {computed}",
        f"{name}:所列为 {claimed},文件为 {computed}",
    )
