"""`suanli whoami`: who the exchange takes you for, and what you may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli import words
from suanli.cli.render import print_details
from suanli.cli.session import Session, command

if TYPE_CHECKING:
    import typer

    from suanli.cli.ordering import Fact

Json = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "whoami",
        en="Show who you are here, by which key or person, and what you may do.",
        zh="查看当前身份、所用密钥或人员及权限。",
    )(_whoami)


def _whoami(session: Session) -> None:
    show(session, session.client.send(ops.read("/v1/whoami")))


def show(session: Session, caller: Json) -> None:
    """Print who is calling."""
    member = caller.get("member") or {}
    facts: list[Fact] = [
        ("participant_id", ("participant", "参与方"), caller["participant_id"]),
        ("role", ("role", "角色"), vocabulary.words(caller["role"], vocabulary.ROLES)),
        ("status", ("status", "状态"), vocabulary.words(caller["status"], vocabulary.STANDINGS)),
        ("credential_id", ("key or member", "密钥或成员"), caller["credential_id"]),
        ("name", ("person", "人员"), member.get("name") or ""),
        ("scopes", ("scopes", "权限范围"), words.all_words(caller["scopes"], vocabulary.SCOPES)),
    ]
    print_details(session, caller, facts)
