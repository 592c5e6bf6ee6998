"""`suanli members`: the people who act for a participant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli import words
from suanli.cli.errors import UsageProblem
from suanli.cli.participants import Scope
from suanli.cli.render import Column, print_list
from suanli.cli.session import Session, argument, command, group, option

if TYPE_CHECKING:
    import typer

Json = dict[str, Any]

_STATUS: Final = vocabulary.STANDINGS | {"removed": ("removed", "已移除")}
_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("member_id", ("member", "成员"), "member_id"),
    words.text_column("name", ("name", "姓名"), "name"),
    words.coded_column("status", ("status", "状态"), "status", _STATUS),
    words.scopes_column(),
    words.text_column("subject", ("subject", "主体标识"), "subject"),
    words.text_column("issuer", ("issuer", "签发方"), "issuer"),
    words.time_column("last_seen_at", ("last seen", "最近使用"), "last_seen_at"),
)
Participant = Annotated[
    str | None,
    option("--participant", en="Whose; by default your own.", zh="所属参与方;默认为本方。"),
]
Member = Annotated[str, argument("MEMBER", en="Member's id, mbr_...", zh="成员编号 mbr_...")]
Scopes = Annotated[
    list[Scope] | None,
    option("--scope", en="What it may do; may be repeated.", zh="权限范围,可重复。"),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "members",
        en="People who act for a participant when they sign in (suanli login).",
        zh="登录后代表参与方操作的人员(suanli login)。",
    )
    command(noun, "list", en="List members.", zh="列出成员。")(_list)
    command(noun, "add", en="Let a person act; read alone unless more is said.", zh="添加成员。")(
        _add
    )
    command(noun, "scopes", en="Change what a member may do.", zh="修改成员权限。")(_scopes)
    command(noun, "suspend", en="Stop a member for now.", zh="暂停成员。")(_suspend)
    command(noun, "resume", en="Let a suspended member act again.", zh="恢复成员。")(_resume)
    command(noun, "remove", en="Remove a member for good.", zh="永久移除成员。")(_remove)


def _list(session: Session, participant: Participant = None) -> None:
    found = session.client.send(ops.read(_path(session, participant)))
    print_list(session, found, _COLUMNS, empty=("No members.", "没有成员。"))


def _add(
    session: Session,
    subject: Annotated[
        str, option("--subject", en="Who it is, as the issuer says.", zh="签发方给出的主体标识。")
    ],
    name: Annotated[str, option("--name", en="Name to show.", zh="显示姓名。")],
    issuer: Annotated[
        str | None,
        option(
            "--issuer", en="Who vouches; not needed if there is one.", zh="签发方;唯一时可省略。"
        ),
    ] = None,
    scope: Scopes = None,
    participant: Participant = None,
) -> None:
    if issuer is None:
        listed = [one["issuer"] for one in session.client.send(ops.read("/v1/issuers"))]
        if len(listed) != 1:
            names = ", ".join(listed) or "-"
            raise UsageProblem("--issuer", "-", (f"one of {names}", f"{names} 之一"))
        issuer = listed[0]
    body = {"issuer": issuer, "subject": subject, "name": name, "scopes": scope or [Scope.READ]}
    _send(session, ops.Operation("POST", _path(session, participant), body=body))


def _scopes(
    session: Session, member: Member, scope: Scopes = None, participant: Participant = None
) -> None:
    if not scope:
        names = ", ".join(Scope)
        raise UsageProblem("--scope", "-", (f"one of {names}", f"{names} 之一"))
    _change(session, member, participant, {"scopes": scope})


def _suspend(session: Session, member: Member, participant: Participant = None) -> None:
    _change(session, member, participant, {"status": "suspended"})


def _resume(session: Session, member: Member, participant: Participant = None) -> None:
    _change(session, member, participant, {"status": "active"})


def _remove(session: Session, member: Member, participant: Participant = None) -> None:
    path = f"{_path(session, participant)}/{ops.place(member)}"
    _send(session, ops.Operation("DELETE", path))


def _change(session: Session, member: str, participant: str | None, body: Json) -> None:
    path = f"{_path(session, participant)}/{ops.place(member)}"
    _send(session, ops.Operation("PATCH", path, body=body))


def _send(session: Session, operation: ops.Operation) -> None:
    print_list(session, [session.client.send(operation)], _COLUMNS, empty=("", ""))


def _path(session: Session, participant: str | None) -> str:
    if participant is None:
        participant = session.client.send(ops.read("/v1/whoami"))["participant_id"]
    return f"/v1/participants/{ops.place(str(participant))}/members"
