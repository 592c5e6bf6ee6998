"""`suanli export`: a market's day as Parquet, CSV or Arrow files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from suanli.cli import words
from suanli.cli.errors import UsageProblem, because
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import EXIT_REFUSED, Market, Session, argument, command, option

if TYPE_CHECKING:
    from suanli.exports import Export

Json = dict[str, Any]
_FILES: Final[tuple[Column, ...]] = (
    words.text_column("file", ("file", "文件"), "file"),
    words.count_column("rows", ("rows", "行数"), "rows"),
    words.count_column("bytes", ("bytes", "字节"), "bytes"),
    Column("final", ("final", "已定"), lambda item: words.yes(item["final"])),
    ranked(2, words.text_column("sha256", ("SHA-256", "SHA-256"), "sha256")),
    ranked(1, words.count_column("checkpoint_size", ("checkpoint", "检查点"), "checkpoint_size")),
    ranked(3, words.text_column("checkpoint_root", ("root", "根"), "checkpoint_root")),
)
_DAYS: Final[tuple[Column, ...]] = (
    words.text_column("day", ("day (UTC)", "日期(UTC)"), "day"),
    words.text_column("table", ("table", "表"), "table"),
    Column("public", ("public", "公开"), lambda item: words.yes(item["public"])),
    Column("final", ("final", "已定"), lambda item: words.yes(item["final"])),
    words.count_column("checkpoint_size", ("checkpoint", "检查点"), "checkpoint_size"),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "export",
        en="Fetch a market's day as files, check their SHA-256, go on where a broken download "
        "ended; without DAY, list the days.",
        zh="下载市场某日的数据文件,校验 SHA-256,中断后续传;不给日期则列出可下载的日期。",
    )(_export)


def _export(
    session: Session,
    day: Annotated[
        str | None, argument("[DAY]", en="Such as 2026-11-24 (UTC).", zh="如 2026-11-24(UTC)。")
    ] = None,
    market: Market = None,
    table: Annotated[
        Literal["orders", "allocations", "prices", "rounds", "all"],
        option(
            "--table",
            en="Orders and allocations are your own; regulator and operator get all.",
            zh="orders 与 allocations 仅含自己的;监管方与运营方可得全部。",
        ),
    ] = "all",
    kind: Annotated[
        Literal["parquet", "csv", "arrow"], option("--format", en="Format.", zh="格式。")
    ] = "parquet",
    folder: Annotated[
        Path | None,
        option("--dir", "-d", en="Where to; by default here.", zh="写到何处;默认当前目录。"),
    ] = None,
) -> None:
    from suanli.exports import ExportError

    market_id = session.market(market)
    found = list(session.client.pages("/v1/exports", market_id=market_id, day=day))
    if day is None:
        print_list(session, found, _DAYS, empty=("No day yet.", "尚无可下载的日期。"))
        return
    wanted = [item for item in found if table in ("all", item["table"])]
    if table == "all" and not session.has_key:
        wanted = [item for item in wanted if item["public"]]
    if not wanted:
        raise UsageProblem("DAY", day, ("a day with a closed round", "有已公布轮次的日期"))
    target = folder or Path()
    _make(target)
    try:
        rows = [_fetch(session, item, kind, target) for item in wanted]
    except ExportError as error:
        session.note((error.en, error.zh))
        raise typer.Exit(EXIT_REFUSED) from error
    print_list(session, rows, _FILES, empty=("Nothing.", "无。"))


def _fetch(session: Session, item: Json, kind: str, folder: Path) -> Json:
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from suanli.exports import fetch

    (path,) = (path for path in item["paths"] if path.endswith(f".{kind}"))
    name = f"{item['market_id']}-{item['day']}-{item['table']}.{kind}"
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=session.notes, transient=True) as progress:
        task = progress.add_task(name, total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        found = fetch(session.client, path, folder / name, told)
    if found.resumed:
        done = f"{found.resumed:,}"
        session.note((f"{name}: went on after {done} bytes", f"{name}:自第 {done} 字节续传"))
    return _row(found)


def _row(found: Export) -> Json:
    size, root = found.checkpoint or (None, None)
    return {
        "file": str(found.path),
        "rows": found.rows,
        "bytes": found.bytes,
        "final": found.final,
        "sha256": found.sha256,
        "checkpoint_size": size,
        "checkpoint_root": root,
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(
            "--dir",
            str(folder),
            because(("a folder", "文件夹"), error),
        ) from error
