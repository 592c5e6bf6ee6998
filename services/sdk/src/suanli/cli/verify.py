"""`suanli verify`: verify round files offline."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from suanli.check_print import language, verify_files
from suanli.cli import help_language


class Output(StrEnum):
    """How to print a report."""

    TABLE = "table"
    JSON = "json"


class Language(StrEnum):
    """Language of the table."""

    EN = "en"
    ZH = "zh"


_HELP = {
    "en": (
        "Verify round files offline: feasibility, prices, money, every order's state and the "
        "certificate, in exact integers. Exit code 0: all right; 1: a problem; 2: wrong usage."
    ),
    "zh": (
        "离线核验轮次文件:以精确整数检查可行性、价格、资金、每个订单的状态与最优性证明。"
        "退出码 0:全部通过;1:发现问题;2:用法有误。"
    ),
}
_FILES = {"en": "Round files (suanli.round.v1).", "zh": "轮次文件(suanli.round.v1)。"}
_OUTPUT = {"en": "How to print.", "zh": "输出方式。"}
_LANG = {"en": "Language; by default that of LANG.", "zh": "语言;默认取自 LANG。"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("verify", help=_HELP[help_language()])(_verify)


def _verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help=_FILES[help_language()],
            exists=True,
            dir_okay=False,
            readable=True,
            show_default=False,
        ),
    ],
    output: Annotated[
        Output, typer.Option("--output", "-o", help=_OUTPUT[help_language()])
    ] = Output.TABLE,
    lang: Annotated[
        Language | None, typer.Option("--lang", help=_LANG[help_language()], show_default=False)
    ] = None,
) -> None:
    code = verify_files(files, lang=language(lang), output=output.value)
    raise typer.Exit(code)
