"""`suanli commands`: every command and option, for people, scripts and assistants."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

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


def _first_sentence(item: Json) -> str:
    return str(item["help"]).partition("\n")[0]


_COLUMNS: Final[tuple[Column, ...]] = (
    text_column("command", ("command", "命令"), "command"),
    Column("help", ("what it does", "作用"), _first_sentence, wraps=True),
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
    children = getattr(node, "commands", {})
    if not children or (node.invoke_without_command and name != "suanli"):
        yield {
            "command": name,
            "help": (node.help or "").strip(),
            "parameters": [
                _parameter(item)
                for item in node.params
                if "--help" not in getattr(item, "opts", [])
            ],
        }
    for child, below in children.items():
        yield from _below(f"{name} {child}", below)


def _parameter(item: Any) -> Json:  # noqa: ANN401 - Typer's own click
    is_option = item.param_type_name == "option"
    kind, choices = ("flag", None) if getattr(item, "is_flag", False) else kind_of(item)
    default: Any = None if callable(item.default) else item.default
    return {
        "name": item.name,
        "kind": item.param_type_name,
        "flags": [*item.opts, *item.secondary_opts] if is_option else [],
        "type": kind,
        "choices": choices,
        "required": bool(item.required),
        "repeatable": bool(getattr(item, "multiple", False)) or item.nargs == -1,
        "default": default.value if isinstance(default, Enum) else default,
        "env": item.envvar,
        "help": getattr(item, "help", None) or "",
    }


def kind_of(item: Any) -> tuple[str, list[str] | None]:  # noqa: ANN401 - Typer's own click
    """Return the kind of a parameter's value, and its choices if it has some."""
    described = getattr(item, "type_descriptor", None)
    if described is None:
        # Before Typer 0.20 a parameter has click's type.
        choices = getattr(item.type, "choices", None)
        return ("choice", [str(one) for one in choices]) if choices else (item.type.name, None)
    annotation = described.annotation
    if get_origin(annotation) in (list, tuple):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return "choice", [str(one) for one in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "choice", [str(one.value) for one in annotation]
    return getattr(annotation, "__name__", str(annotation)).lower(), None
