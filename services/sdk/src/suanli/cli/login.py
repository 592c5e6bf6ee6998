"""`suanli login`: sign in as a person; the tokens are kept in the profile and renewed in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli import profiles
from suanli.cli.errors import UsageProblem
from suanli.cli.session import Session, command, option
from suanli.cli.whoami import show

if TYPE_CHECKING:
    from suanli.sign_in import DeviceCode

Json = dict[str, Any]

_NONE: Final = (
    "an exchange that takes tokens; sign in by suanli config set api_key",
    "启用了令牌登录的交易所;否则请用 suanli config set api_key",
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "login",
        en="Sign in as a person, in a browser on any device; kept in the profile.",
        zh="以个人身份登录,可在任一设备的浏览器中确认;保存于档案。",
    )(_login)


def _login(
    session: Session,
    issuer: Annotated[
        str | None,
        option(
            "--issuer", en="Who vouches; not needed if there is one.", zh="签发方;唯一时可省略。"
        ),
    ] = None,
    within: Annotated[
        str | None,
        option("--in", en="Profile; by default the one in use.", zh="档案;默认为使用中的。"),
    ] = None,
) -> None:
    from suanli.client import Client
    from suanli.sign_in import device_sign_in, keep

    url = session.client.base_url
    name = within or session.profile or profiles.load().current
    kept = profiles.load().of(name).get("api_url", url)
    if kept.rstrip("/") != url:
        # The profile's key and tokens are for its own exchange.
        raise UsageProblem("--api-url", url, (f"{kept}, or --in NAME", f"{kept},或 --in 新档案"))
    with Client(url, language=session.lang) as asking:
        chosen = _chosen(asking.send(ops.read("/v1/issuers")), issuer)
    tokens = device_sign_in(
        chosen["issuer"], chosen["client_id"], chosen["scope"], lambda code: _show(session, code)
    )
    with Client(url, tokens.access, language=session.lang) as mine:
        # Whoever is no member is told so, and nothing is kept.
        caller = mine.send(ops.read("/v1/whoami"))
    profiles.save(profiles.load().with_setting(name, "api_url", url))
    keep(name, tokens)
    show(session, caller)


def _chosen(listed: list[Json], issuer: str | None) -> Json:
    found = [one for one in listed if issuer in {None, one["issuer"]}]
    if len(found) == 1:
        return found[0]
    if not listed:
        raise UsageProblem("--api-url", "-", _NONE)
    names = ", ".join(one["issuer"] for one in listed)
    raise UsageProblem("--issuer", issuer or "-", (f"one of {names}", f"{names} 之一"))


def _show(session: Session, code: DeviceCode) -> None:
    place = code.complete_uri or code.verification_uri
    for text in (
        (f"Open {place}", f"请打开 {place}"),
        (f"and confirm the code {code.user_code}", f"并确认代码 {code.user_code}"),
    ):
        session.notes.print(session.say(text), markup=False, soft_wrap=True)
