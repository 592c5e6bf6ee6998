"""`suanli logout`: sign out; the tokens leave the profile, and the issuer takes them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli import profiles
from suanli.cli.session import Session, command
from suanli.errors import SignInError

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "logout",
        en="Sign out: the tokens leave the profile; a key in it stays.",
        zh="退出登录:令牌从档案中删除;档案中的密钥保留。",
    )(_logout)


def _logout(session: Session) -> None:
    from suanli.sign_in import Tokens, keep, sign_out

    name = session.profile or profiles.load().current
    tokens = Tokens.of(profiles.load().of(name))
    keep(name, None)
    if tokens is None:
        session.note(("Nobody was signed in.", "此前未登录。"))
        return
    try:
        sign_out(tokens)
    except SignInError as error:
        text = (
            f"{error.issuer} did not take the tokens back ({error.code}); they expire by themselves"
        )
        session.note((text, f"{error.issuer} 未撤回令牌({error.code});令牌将自行过期"))
        return
    session.note(("Signed out.", "已退出登录。"))
