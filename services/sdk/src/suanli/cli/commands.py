"""`suanli commands`: every command and option, for people, scripts and assistants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli.cli.render import Column, print_list
from suanli.cli.session import Output, Session, command, option
from suanli.cli.words import text_column

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_EXIT_CODES: Final[dict[str, str]] = {
    "0": "done",
    "1": "the exchange refused, or a problem was found",
    "2": "wrong usage",
    "3": "the exchange did not answer",
    "130": "interrupted",
}
_COLUMNS: Final[tuple[Column, ...]] = (
    text_column("command", ("command", "命令"), "command"),
    Column("help", ("what it does", "作用"), lambda item: str(item["help"]), wraps=True),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "commands",
        en="List every command; with --json, all options, defaults and exit codes.",
        zh="列出全部命令;加 --json 输出全部选项、默认值与退出码。",
    )(_commands)


def _commands(
    session: Session,
    as_json: Annotated[
        bool, option("--json", en="All there is to know, as JSON.", zh="以 JSON 输出全部。")
    ] = False,
) -> None:
    from suanli.cli import build_app

    found = list(tree(build_app()))
    if as_json or session.output is Output.JSON:
        session.print_json({"program": "suanli", "exit_codes": _EXIT_CODES, "commands": found})
        return
    print_list(session, found, _COLUMNS, empty=("", ""))


def tree(app: typer.Typer) -> Iterator[Json]:
    """Yield every command of an app with its parameters, in the order of the help."""
    from typer.main import get_command

    yield from _below("suanli", get_command(app))


def _below(name: str, node: Any) -> Iterator[Json]:  # noqa: ANN401 - Typer's own click
    children = getattr(node, "commands", None)
    if children is None:
        yield {
            "command": name,
            "help": " ".join((node.help or "").split()),
            "parameters": [
                _parameter(item)
                for item in node.params
                if "--help" not in getattr(item, "opts", [])
            ],
        }
        return
    for child, below in children.items():
        yield from _below(f"{name} {child}", below)


def _parameter(item: Any) -> Json:  # noqa: ANN401 - Typer's own click
    choices = getattr(item.type, "choices", None)
    is_option = item.param_type_name == "option"
    default: Any = None if callable(item.default) else item.default
    return {
        "name": item.name,
        "kind": item.param_type_name,
        "flags": [*item.opts, *item.secondary_opts] if is_option else [],
        "type": "flag" if getattr(item, "is_flag", False) else item.type.name,
        "choices": [str(choice) for choice in choices] if choices else None,
        "required": bool(item.required),
        "repeatable": bool(getattr(item, "multiple", False)),
        "default": str(default.value) if hasattr(default, "value") else default,
        "env": item.envvar,
        "help": item.help or "",
    }
