"""What does not parse, told as all else that is wrong is: field, value and what would do."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

from suanli.cli.errors import UsageProblem

if TYPE_CHECKING:
    from suanli.cli.session import Text

_EXTRA: Final = re.compile(r"unexpected extra arguments?(?:\(s\))? \((.*)\)")
_COMMAND: Final = re.compile(r"No such command '(.*?)'")
_PLACE: Final = re.compile(r"^\w+ '(.*)' (does not exist|is a file|is a directory|is not \w+)\.$")
_PLACES: Final[dict[str, Text]] = {
    "does not exist": ("one that exists", "存在的路径"),
    "is a file": ("a folder", "目录"),
    "is a directory": ("a file", "文件"),
    "is not readable": ("one that may be read", "可读取的路径"),
    "is not writable": ("one that may be written", "可写入的路径"),
}
_KINDS: Final[dict[str, Text]] = {
    "int": ("a whole number", "整数"),
    "float": ("a number", "数字"),
    "bool": ("true or false", "true 或 false"),
}
_LEFT_OUT: Final[Text] = ("left out", "去掉")


def problem(error: Any, lang: str) -> UsageProblem:  # noqa: ANN401 - of Typer's own click
    """Return what is wrong with a command line that does not parse.

    Args:
        error: Typer's.
        lang: ``en`` or ``zh``, for what stands in for a value.
    """
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    message = str(getattr(error, "message", error))
    absent = "缺失" if lang == "zh" else "absent"
    if (name := getattr(error, "option_name", None)) is not None:
        if "requires" in message:
            return UsageProblem(name, absent, ("followed by its value", "其后给出取值"))
        return UsageProblem(name, "", _among(_options(context), ("an option of it", "已有的选项")))
    if param is not None:
        if not message:
            return UsageProblem(_name(param), absent, ("given", "给出"))
        if found := _PLACE.match(message):
            return UsageProblem(_name(param), found[1], _PLACES[found[2]])
        return UsageProblem(_name(param), _value(error), _wanted(param, message))
    if (found := _COMMAND.search(message)) and context is not None:
        known = context.command.list_commands(context)
        return UsageProblem("COMMAND", found[1], _among(known, ("a command", "命令")))
    if found := _EXTRA.search(message):
        return UsageProblem("ARGUMENT", found[1], _LEFT_OUT)
    return UsageProblem("COMMAND", " ".join(sys.argv[1:]), (message, message))


def _name(param: Any) -> str:  # noqa: ANN401
    """Return what people type for a parameter: its longest flag, or its place."""
    flags = sorted(param.opts, key=len) if param.param_type_name == "option" else []
    return str(flags[-1] if flags else param.metavar or param.name.upper())


def _options(context: Any) -> list[str]:  # noqa: ANN401
    params = context.command.params if context is not None else []
    return [_name(one) for one in params if one.param_type_name == "option"]


def _value(error: Any) -> str:  # noqa: ANN401
    """Return what was typed: Typer has it from the check that failed."""
    cause = error.__cause__
    faults = cause.errors() if hasattr(cause, "errors") else []
    return str(faults[0].get("input", "")) if faults else ""


def _wanted(param: Any, message: str) -> Text:  # noqa: ANN401
    from suanli.cli.commands import kind_of

    kind, choices = kind_of(param)
    if choices:
        return _among(choices, ("", ""))
    return _KINDS.get(kind, (message, message))


def _among(known: list[str], otherwise: Text) -> Text:
    listed = ", ".join(known)
    return (f"one of: {listed}", f"以下之一:{listed}") if listed else otherwise
