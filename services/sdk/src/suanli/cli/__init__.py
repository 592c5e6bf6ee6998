"""The `suanli` command line: one module per noun, imported only when it is used.

To add a noun, write a module here with a function ``register(app: typer.Typer) -> None`` that
adds its command or its group of commands, and name it in `NOUNS`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer

_EXIT_USAGE: Final = 2
_EXIT_INTERRUPTED: Final = 130
NOUNS: Final[dict[str, str]] = {
    "markets": "suanli.cli.markets",
    "prices": "suanli.cli.prices",
    "book": "suanli.cli.book",
    "quote": "suanli.cli.quotes",
    "offers": "suanli.cli.offers",
    "demand": "suanli.cli.demand",
    "orders": "suanli.cli.orders",
    "webhooks": "suanli.cli.webhooks",
    "direct": "suanli.cli.direct",
    "receipt": "suanli.cli.receipts",
    "rounds": "suanli.cli.rounds",
    "allocations": "suanli.cli.allocations",
    "mobilisation": "suanli.cli.mobilisation",
    "links": "suanli.cli.links",
    "policy": "suanli.cli.policies",
    "deliveries": "suanli.cli.deliveries",
    "settlements": "suanli.cli.settlements",
    "account": "suanli.cli.account",
    "participants": "suanli.cli.participants",
    "members": "suanli.cli.members",
    "acts": "suanli.cli.acts",
    "findings": "suanli.cli.findings",
    "surveillance": "suanli.cli.surveillance",
    "reports": "suanli.cli.reports",
    "export": "suanli.cli.exports",
    "audit": "suanli.cli.audit",
    "verify": "suanli.cli.verify",
    "log": "suanli.cli.log",
    "deadletters": "suanli.cli.dead_letters",
    "erasures": "suanli.cli.erasures",
    "witness": "suanli.cli.witness",
    "login": "suanli.cli.login",
    "logout": "suanli.cli.logout",
    "whoami": "suanli.cli.whoami",
    "config": "suanli.cli.config",
    "commands": "suanli.cli.commands",
}
"""First word of a command -> module that registers it; the order is that of the help."""


def help_language() -> str:
    """Return ``en`` or ``zh``: that of ``--lang`` anywhere, else that of the environment."""
    from suanli.check_print import language

    chosen = None
    for index, word in enumerate(sys.argv):
        if word.startswith("--lang="):
            chosen = word.removeprefix("--lang=")
        elif word == "--lang" and index + 1 < len(sys.argv):
            chosen = sys.argv[index + 1]
    return language(chosen)


def markup_mode() -> Literal["rich"] | None:
    """Return how help is drawn: boxes cut Chinese, which has no blanks to break a line at."""
    return None if help_language() == "zh" else "rich"


def build_app(nouns: Iterable[str] = NOUNS) -> typer.Typer:
    """Return the command line with these nouns.

    Args:
        nouns: Keys of `NOUNS`. Only their modules are imported.
    """
    import typer
    from typer.core import TyperGroup

    class InOrder(TyperGroup):
        """Lists commands in the order of `NOUNS`; Typer puts groups after commands."""

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - Typer's own click
            return sorted(super().list_commands(ctx), key=list(NOUNS).index)

    chinese = help_language() == "zh"
    app = typer.Typer(
        cls=InOrder,
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
        rich_markup_mode=markup_mode(),
    )

    # A callback, even an empty one, keeps a single command from swallowing its own name.
    @app.callback(help="算力交易所客户端。" if chinese else "Client of the Suanli Exchange.")
    def _root() -> None:
        pass

    for noun in nouns:
        import_module(NOUNS[noun]).register(app)
    return app


def main() -> None:
    """Run the command line and exit."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    # Help and shell completion list every noun, so they need all of them.
    known = first in NOUNS and "_SUANLI_COMPLETE" not in os.environ
    run(build_app((first,) if known else NOUNS))


def run(app: typer.Typer, name: str = "suanli") -> None:
    """Run a command line and exit; what does not parse is told in the caller's language.

    Args:
        app: Its commands.
        name: Its program.
    """
    import typer

    # Typer has a click of its own, and of its errors it names those that are one of these.
    wrong: Any = typer.BadParameter.__mro__[1]
    try:
        code = app(prog_name=name, standalone_mode=False)
    except typer.Abort:
        sys.exit(_EXIT_INTERRUPTED)
    except wrong as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            from suanli.cli.complaint import Complaint
            from suanli.cli.usage import problem

            lang = help_language()
            Complaint(lang, as_json=_wants_json()).usage(problem(error, lang))
        sys.exit(_EXIT_USAGE)
    sys.exit(code if isinstance(code, int) else 0)


def _wants_json() -> bool:
    """Return whether ``-o json`` was typed, in a line that did not parse."""
    words = " ".join(sys.argv).replace("=", " ")
    return any(f" {flag} json" in words for flag in ("-o", "--output"))
