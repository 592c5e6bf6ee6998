"""``python -m infra.local``: the embedded broker and database from the command line."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from infra.local.errors import LocalStackError, ProcessFailedError
from infra.local.jars import LOCK_PATH, ensure_jars, write_lock
from infra.local.stack import LocalStack, default_cache_dir, default_state_dir

app = typer.Typer(
    name="infra.local",
    help="Embedded Kafka and PostgreSQL. 内置的 Kafka 与 PostgreSQL。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", help="Data, logs, ports; default SUANLI_STATE_DIR or var/local."),
]

_FOLLOW_POLL_S = 0.3


def main() -> NoReturn:
    """Run the command line; errors that a person can act on end without a traceback."""
    try:
        app()
    except LocalStackError as error:
        _print_error(error.message.en, error.message.zh)
        if isinstance(error, ProcessFailedError):
            _print_error(
                "If it fails again, delete the local data and start anew: "
                "python -m infra.local wipe",
                "如仍失败，可删除本地数据后重新启动：python -m infra.local wipe",
            )
        sys.exit(error.exit_code)
    except PermissionError as error:
        _print_error(
            f"No permission for {error.filename}. It may belong to another user who started the "
            "stack before; use that account, or another folder by SUANLI_STATE_DIR.",
            f"没有权限访问 {error.filename}。它可能属于之前启动环境的其他用户；"
            "请换用该账户，或用 SUANLI_STATE_DIR 指定其他目录。",
        )
        sys.exit(1)
    sys.exit(0)


@app.command()
def up(state_dir: StateDir = None) -> None:
    """Start what does not run yet; a second call changes nothing."""
    stack = _stack(state_dir)
    began_s = time.monotonic()
    stack.start()
    _print_status(state_dir)
    Console().print(f"Ready in {time.monotonic() - began_s:.1f} s 已就绪", highlight=False)


@app.command()
def down(state_dir: StateDir = None) -> None:
    """Stop both; data stays."""
    stopped = _stack(state_dir).stop()
    Console().print("Stopped 已停止" if stopped else "Nothing was running 没有正在运行的进程")


@app.command()
def status(
    state_dir: StateDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs, where, and how much memory it uses."""
    if not as_json:
        _print_status(state_dir)
        return
    stack = _stack(state_dir)
    rows = {
        row.name: {
            "running": row.running,
            "pid": row.pid,
            "port": stack.ports.get(row.name),
            "up_s": round(row.up_s, 1),
            "memory_bytes": row.memory_bytes,
            "log": str(row.log),
        }
        for row in stack.status()
    }
    typer.echo(json.dumps(rows, indent=2))


@app.command()
def env(state_dir: StateDir = None) -> None:
    """Print the settings by which services find the stack, for ``eval`` in a shell."""
    stack = _stack(state_dir)
    typer.echo(f"export SUANLI_KAFKA_BOOTSTRAP={shlex.quote(stack.kafka_bootstrap)}")
    typer.echo(f"export SUANLI_POSTGRES_DSN={shlex.quote(stack.postgres_dsn)}")


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="kafka or postgres; both if left out.")] = None,
    state_dir: StateDir = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Lines of each.")] = 50,
) -> None:
    """Show the end of the logs."""
    stack = _stack(state_dir)
    known = sorted({row.name for row in stack.status()} | set(stack.supervisor.names()))
    if name is not None and name not in known:
        raise typer.BadParameter(f"must be one of {', '.join(known)}, was {name!r}")
    chosen = known if name is None else [name]
    for each in chosen:
        if len(chosen) > 1:
            typer.echo(f"==> {each} <==")
        typer.echo(stack.supervisor.tail(each, lines))
    if follow:
        _follow({each: stack.supervisor.log_path(each) for each in chosen})


@app.command()
def wipe(state_dir: StateDir = None) -> None:
    """Stop both and delete all their data; fetched jars stay in the cache."""
    _stack(state_dir).wipe()
    Console().print("Wiped 已清除")


@app.command()
def fetch() -> None:
    """Fetch Kafka's jars into the cache and start nothing."""
    typer.echo(ensure_jars(default_cache_dir().expanduser().resolve()))


@app.command()
def topics(
    bootstrap: Annotated[
        str | None,
        typer.Option(envvar="SUANLI_KAFKA_BOOTSTRAP", help="Default: the embedded broker."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(envvar="SUANLI_TOPIC_PREFIX", help="Goes before every name.")
    ] = "",
    state_dir: StateDir = None,
) -> None:
    """Create the topics of infra/kafka/topics.yaml that are missing."""
    # Imported here: the client library doubles the time of every other command.
    from infra.local.topics import ensure_topics

    where = bootstrap or _stack(state_dir).kafka_bootstrap
    created = asyncio.run(ensure_topics(where, prefix))
    for topic in created:
        typer.echo(topic)
    typer.echo(f"{len(created)} created 个主题已创建", err=True)


@app.command("lock-jars")
def lock_jars() -> None:
    """Resolve and pin the broker's jars anew, after its version was changed."""
    typer.echo(f"{write_lock()} jars pinned in {LOCK_PATH}")


def _stack(state_dir: Path | None) -> LocalStack:
    return LocalStack(state_dir or default_state_dir())


def _print_status(state_dir: Path | None) -> None:
    stack = _stack(state_dir)
    table = Table(box=None, pad_edge=False)
    for title in ("name 名称", "state 状态", "address 地址", "pid", "memory 内存"):
        table.add_column(title)
    for row in stack.status():
        port = stack.ports.get(row.name)
        table.add_row(
            row.name,
            "up 运行中" if row.running else "down 已停止",
            f"127.0.0.1:{port}" if port else "-",
            str(row.pid or "-"),
            f"{row.memory_bytes / 2**20:.0f} MiB" if row.running else "-",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"State 数据目录 {stack.state_dir}", soft_wrap=True, markup=False)


def _follow(paths: dict[str, Path]) -> None:
    places = {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}
    try:
        while True:
            for name, path in paths.items():
                places[name] = _print_from(path, places[name])
            time.sleep(_FOLLOW_POLL_S)
    except KeyboardInterrupt:
        return


def _print_from(path: Path, place: int) -> int:
    size = path.stat().st_size if path.exists() else 0
    if size == place:
        return place
    with path.open("rb") as file:
        # Smaller than before: it was moved aside at a restart, and this is a new one.
        file.seek(place if size > place else 0)
        sys.stdout.write(file.read().decode("utf-8", errors="replace"))
        sys.stdout.flush()
        return file.tell()


def _print_error(english: str, chinese: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(english, style="red", markup=False)
    console.print(chinese, markup=False)
