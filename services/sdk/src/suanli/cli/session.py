"""What every command shares: where the exchange is, the language, the output, the exit code.

Exit codes: 0 done; 1 the exchange refused, or a problem was found; 2 wrong usage; 3 the
exchange did not answer; 130 interrupted.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_type_hints

import typer

from suanli import operations as ops
from suanli.check_print import language
from suanli.cli import help_language, markup_mode, units
from suanli.cli.address import Address, address_of
from suanli.cli.complaint import Complaint
from suanli.cli.errors import UsageProblem
from suanli.errors import ApiError, SignInError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from suanli.client import Client

Text = tuple[str, str]
"""The same in English and Chinese."""

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_INTERRUPTED: Final = 130

_PIPE_COLUMNS: Final = 10_000
_ADDRESS_WANTED: Final[Text] = (
    (
        "given, or SUANLI_API_URL set, or --client FILE.json; "
        "make up writes var/local/clients/enterprise.env, which sets it"
    ),
    (
        "给出,或设置 SUANLI_API_URL,或使用 --client 文件;"
        "make up 会写出可设置它的 var/local/clients/enterprise.env"
    ),
)

_SANDBOX: Final[Text] = (
    "SANDBOX: play money, robots trade; nothing here is real.",
    "沙箱:虚拟资金,机器人交易;此处一切均非真实。",
)


class Output(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def help_text(text: Text) -> str:
    """Return a text for the help, in its language."""
    return text[1 if help_language() == "zh" else 0]


def option(*names: str, en: str, zh: str, **more: Any) -> Any:  # noqa: ANN401 - Typer's own types
    """Return an option that explains itself in two languages."""
    return typer.Option(*names, help=help_text((en, zh)), show_default=False, **more)


def argument(metavar: str, *, en: str, zh: str, **more: Any) -> Any:  # noqa: ANN401
    """Return an argument that explains itself in two languages."""
    more.setdefault("show_default", False)
    return typer.Argument(metavar=metavar, help=help_text((en, zh)), **more)


class Session:
    """One run of a command.

    Args:
        api_url: Address of the exchange, ``None`` if none was given.
        api_key: Key of a participant, ``None`` to read what is public.
        lang: ``en`` or ``zh``.
        output: How to print.
        market_id: Market that is meant if none is named, ``None`` if any may be.
        profile: Profile that was named, ``None`` for the one in use.
    """

    def __init__(
        self,
        api_url: str | None,
        api_key: str | Callable[[], str] | None,
        lang: str,
        output: Output,
        market_id: str | None = None,
        profile: str | None = None,
    ) -> None:
        self.profile = profile
        self._market_id = market_id
        self.lang = lang
        self.output = output
        self._api_url = api_url
        self._api_key = api_key

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the connection, if one was opened."""
        if "client" in vars(self):
            if self.client.environment == "sandbox":
                self.note(_SANDBOX)
            self.client.close()

    @property
    def has_key(self) -> bool:
        """Return whether the caller is anybody."""
        return self._api_key is not None

    @property
    def pick(self) -> int:
        """Return the place of the language in a `Text`."""
        return 1 if self.lang == "zh" else 0

    def say(self, text: Text) -> str:
        """Return a text in the language of this run."""
        return text[self.pick]

    @property
    def address(self) -> tuple[str, str | Callable[[], str] | None]:
        """Return where the exchange is, and the key.

        Raises:
            UsageProblem: if no address was given.
        """
        if not self._api_url:
            raise UsageProblem("--api-url", self.say(("absent", "缺失")), _ADDRESS_WANTED)
        if not self._api_url.startswith(("http://", "https://")):
            raise UsageProblem(
                "--api-url",
                self._api_url,
                ("an address such as http://127.0.0.1:8000", "形如 http://127.0.0.1:8000 的地址"),
            )
        return self._api_url, self._api_key

    @functools.cached_property
    def client(self) -> Client:
        """Return the connection to the exchange.

        Raises:
            UsageProblem: if no address was given.
        """
        from suanli.client import Client

        return Client(*self.address, language=self.lang)

    @functools.cached_property
    def now(self) -> datetime:
        """Return the present on the market's clock, which need not be this machine's.

        Without an exchange to ask, or before it has a market, it is this machine's.
        """
        if self._api_url is None:
            return datetime.now(UTC)
        markets = self.client.send(ops.read("/v1/markets", limit=1))["items"]
        if not markets:
            return datetime.now(UTC)
        # All markets of an exchange share one clock.
        known = markets[0]["market"]["id"]
        return units.parse(self.client.send(ops.read(f"/v1/markets/{known}/phase"))["as_of"])

    def instant(self, field: str, text: str) -> str:
        """Return an instant that was typed as the API takes it; ``+3h`` is by the market's clock.

        Args:
            field: What to call it in the error.
            text: As `units.instant` takes it.

        Raises:
            UsageProblem: if it is no instant.
        """
        return units.instant(field, text, lambda: self.now)

    @functools.cached_property
    def console(self) -> Console:
        """Return where tables are printed; nothing is cut or wrapped in a pipe."""
        return _console(sys.stdout)

    @functools.cached_property
    def notes(self) -> Console:
        """Return where remarks and progress are printed: standard error."""
        return _console(sys.stderr)

    def note(self, text: Text) -> None:
        """Print a remark that is no part of the result."""
        self.notes.print(self.say(text), style="dim", markup=False)

    def print_json(self, value: object) -> None:
        """Print a value as JSON, as the exchange gave it."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def market(self, chosen: str | None) -> str:
        """Return the market that is meant: the chosen one, or the only one there is.

        Raises:
            UsageProblem: if there are several, or none.
        """
        if chosen or self._market_id:
            return str(chosen or self._market_id)
        known = [str(item["market"]["id"]) for item in self.client.pages("/v1/markets")]
        if len(known) == 1:
            return known[0]
        listed = ", ".join(known) or self.say(("none is defined yet", "尚未定义任何市场"))
        raise UsageProblem(
            "--market",
            self.say(("absent", "缺失")),
            (f"one of: {listed}", f"以下之一:{listed}"),
        )


def _console(stream: Any) -> Console:  # noqa: ANN401 - a text stream
    from rich.console import Console

    console = Console(file=stream, highlight=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_COLUMNS
    return console


# --- what every command takes ---------------------------------------------------------------

_Url = Annotated[
    str | None,
    option(
        "--api-url",
        en="Address of the exchange.",
        zh="交易所地址。",
        envvar="SUANLI_API_URL",
        rich_help_panel="Connection 连接",
    ),
]
_Key = Annotated[
    str | None,
    option(
        "--api-key",
        en="Key of a participant.",
        zh="参与方密钥。",
        envvar="SUANLI_API_KEY",
        rich_help_panel="Connection 连接",
    ),
]
_ClientFile = Annotated[
    Path | None,
    option(
        "--client",
        en="File with api_url and api_key, instead of the two.",
        zh="含 api_url 与 api_key 的文件,代替前两项。",
        rich_help_panel="Connection 连接",
    ),
]
_Lang = Annotated[
    Literal["en", "zh"] | None,
    option("--lang", en="Language; by default that of LANG.", zh="语言;默认取自 LANG。"),
]
_Profile = Annotated[
    str | None,
    option(
        "--profile",
        en="Profile to take them from; by default the one in use (suanli config).",
        zh="取用的档案;默认为使用中的(suanli config)。",
        envvar="SUANLI_PROFILE",
        rich_help_panel="Connection 连接",
    ),
]
_Output = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        help=help_text(("How to print.", "输出方式。")),
        show_default=True,
    ),
]
Market = Annotated[
    str | None,
    option(
        "--market",
        en="Market; not needed if there is only one.",
        zh="市场;只有一个时可省略。",
        envvar="SUANLI_MARKET",
    ),
]

_SHARED: Final[tuple[tuple[str, object, object], ...]] = (
    ("output", _Output, Output.TABLE),
    ("lang", _Lang, None),
    ("api_url", _Url, None),
    ("api_key", _Key, None),
    ("client", _ClientFile, None),
    ("profile", _Profile, None),
)


def command(
    app: typer.Typer, name: str, *, en: str, zh: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command to an app; its function takes a `Session` before its own parameters.

    The options of `_SHARED` come with it, and its errors become lines and exit codes.
    """

    def add(function: Callable[..., None]) -> Callable[..., None]:
        run = _runner(function)
        app.command(name, help=help_text((en, zh)))(run)
        return run

    return add


def _runner(function: Callable[..., None], *, is_group: bool = False) -> Callable[..., None]:
    """Return a function as Typer calls it; of a group, it runs if no command below is named."""
    hints = get_type_hints(function, include_extras=True)
    _, *own = inspect.signature(function).parameters.values()

    @functools.wraps(function)
    def run(**given: Any) -> None:  # noqa: ANN401 - Typer fills them in
        shared = {name: given.pop(name) for name, _, _ in _SHARED}
        context: typer.Context | None = given.pop("context", None)
        if context is None or context.invoked_subcommand is None:
            _run(function, shared, given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        parameter.replace(annotation=hints[parameter.name], kind=keyword) for parameter in own
    ]
    parameters += [
        inspect.Parameter(name, keyword, annotation=annotation, default=default)
        for name, annotation, default in _SHARED
    ]
    if is_group:
        parameters.append(inspect.Parameter("context", keyword, annotation=typer.Context))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    # Typer looks through __wrapped__ for the signature otherwise.
    del run.__wrapped__
    return run


def acting_group(
    app: typer.Typer, name: str, function: Callable[..., None], *, en: str, zh: str
) -> typer.Typer:
    """Add a noun that does something by itself and has commands below it."""
    below = typer.Typer(rich_markup_mode=markup_mode())
    run = _runner(function, is_group=True)
    below.callback(invoke_without_command=True, help=help_text((en, zh)))(run)
    app.add_typer(below, name=name)
    return below


def group(app: typer.Typer, name: str, *, en: str, zh: str) -> typer.Typer:
    """Add a noun with commands below it."""
    below = typer.Typer(
        no_args_is_help=True, help=help_text((en, zh)), rich_markup_mode=markup_mode()
    )
    app.add_typer(below, name=name)
    return below


def _run(function: Callable[..., None], shared: dict[str, Any], given: dict[str, Any]) -> None:
    lang = language(shared["lang"])
    told = Complaint(lang, as_json=shared["output"] is Output.JSON)
    address = Address(None, None, None, lang)
    try:
        address = address_of(shared)
        told = Complaint(address.lang, as_json=shared["output"] is Output.JSON)
        url, key, market_id, lang = address
        with Session(url, key, lang, shared["output"], market_id, shared["profile"]) as session:
            function(session, **given)
    except UsageProblem as error:
        told.usage(error)
        raise typer.Exit(EXIT_USAGE) from error
    except ApiError as error:
        told.refusal(error)
        raise typer.Exit(EXIT_REFUSED) from error
    except SignInError as error:
        told.sign_in(error)
        raise typer.Exit(EXIT_REFUSED) from error
    except UnreachableError as error:
        told.silence(str(address.api_url), str(error.__cause__ or ""))
        raise typer.Exit(EXIT_UNREACHABLE) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
