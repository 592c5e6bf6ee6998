"""Commands of ``python -m infra.local.exchange``: what ``make up`` and ``make down`` run."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.local.errors import LocalStackError
from infra.local.exchange import Exchange
from infra.local.seed import seed
from suanli.errors import SuanliError

app = typer.Typer(
    help="The exchange on this machine. 本机算力交易所。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_console = Console(highlight=False, soft_wrap=True)
_MIB = 1024 * 1024

StateDir = Annotated[Path, typer.Option(envvar="SUANLI_STATE_DIR", help="Where it keeps all.")]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="A second exchange, with play money and robots. 沙箱。")
]
_DEFAULT_DIR = Path("var/local")
_SANDBOX_DIR = Path("var/sandbox")
_NOT_EMPTY = """\
This exchange has a market already, as a demo leaves one: it goes on where it was, and has no more.
For one with a sample market take an empty folder (--state-dir), or `wipe` this one first.
本交易所已有市场（例如由演示创建）：按原状继续运行，未写入任何内容。
如需示例市场，请用 --state-dir 指定空目录，或先用 wipe 清除本目录。"""


def run(arguments: list[str]) -> None:
    """Run a command; errors that a person can act on show no traceback."""
    try:
        app(arguments)
    except LocalStackError as error:
        sys.stderr.write(f"{error.message.en}\n{error.message.zh}\n")
        sys.exit(error.exit_code)
    except SuanliError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


@app.command()
def up(
    state_dir: StateDir = _DEFAULT_DIR,
    *,
    seeded: Annotated[bool, typer.Option(help="Seed an empty exchange with a market.")] = True,
    sandbox: Sandbox = False,
    gateways: Annotated[
        int | None, typer.Option(min=1, max=4, help="Gateways that share the API's port. 网关数。")
    ] = None,
) -> None:
    """Start what does not run; seed a market with orders the first time, if there is none."""
    exchange = _exchange(state_dir, sandbox=sandbox)
    if not exchange.is_configured():
        exchange.configure(is_sandbox=sandbox)
    if gateways is not None:
        exchange.resize(gateways)
    began_s = time.monotonic()
    with _console.status("Starting Kafka, Postgres and the services 正在启动…"):
        exchange.up()
    _console.print(f"Up in {time.monotonic() - began_s:.1f} s 已启动")
    clients = exchange.state_dir / "clients"
    if seeded and not clients.exists():
        with _console.status("Seeding the market 正在写入示例市场…"):
            is_seeded = seed(exchange, clients)
        if not is_seeded:
            _console.print(_NOT_EMPTY)
    if sandbox and clients.exists():
        exchange.start_robots()
    _print_status(exchange)
    _console.print(f"\nPages        {exchange.api_url}/   (the market for people)")
    _console.print(f"API          {exchange.api_url}   (docs: {exchange.api_url}/docs)")
    _console.print(f"Direct Kafka {exchange.stack.kafka_direct_bootstrap}   (SASL, SCRAM-SHA-512)")
    if clients.exists():
        _console.print(f"Client keys  {clients}/, for example")
        role = "enterprise" if (clients / "enterprise.env").exists() else "operator"
        _console.print(f"             . '{clients}/{role}.env' && .venv/bin/suanli prices")


@app.command()
def down(state_dir: StateDir = _DEFAULT_DIR, *, sandbox: Sandbox = False) -> None:
    """Stop everything; what it holds stays."""
    stopped = _exchange(state_dir, sandbox=sandbox).down()
    _console.print("Stopped 已停止" if stopped else "Nothing was running 没有正在运行的进程")


@app.command()
def status(
    state_dir: StateDir = _DEFAULT_DIR,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Show what runs, how it feels and how much memory it uses."""
    exchange = _exchange(state_dir, sandbox=sandbox)
    if as_json:
        rows = {
            row.name: {"running": row.running, "pid": row.pid, "memory_bytes": row.memory_bytes}
            for row in exchange.status()
        }
        typer.echo(json.dumps(rows, indent=2))
        return
    _print_status(exchange)


@app.command()
def logs(name: str, state_dir: StateDir = _DEFAULT_DIR, lines: int = 50) -> None:
    """Show the end of a process's log."""
    exchange = Exchange(state_dir)
    known = [row.name for row in exchange.status()]
    if name not in known:
        raise typer.BadParameter(f"must be one of {', '.join(known)}, was {name!r}")
    typer.echo(exchange.stack.supervisor.tail(name, lines))


@app.command()
def wipe(state_dir: StateDir = _DEFAULT_DIR, *, sandbox: Sandbox = False) -> None:
    """Stop everything and delete all that it holds."""
    _exchange(state_dir, sandbox=sandbox).wipe()
    _console.print("Wiped 已清除")


def _exchange(state_dir: Path, *, sandbox: bool) -> Exchange:
    # A sandbox has a broker, a database and keys of its own.
    return Exchange(_SANDBOX_DIR if sandbox and state_dir == _DEFAULT_DIR else state_dir)


def _print_status(exchange: Exchange) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("process", "state", "pid", "up", "memory", "log"):
        table.add_column(column, justify="right" if column in {"up", "memory"} else "left")
    for row in exchange.status():
        table.add_row(
            row.name,
            "running 运行" if row.running else "stopped 停止",
            str(row.pid or ""),
            f"{row.up_s:.0f} s" if row.running else "",
            f"{row.memory_bytes / _MIB:.0f} MiB" if row.running else "",
            str(row.log),
        )
    _console.print(table)
