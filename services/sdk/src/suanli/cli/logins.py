"""`suanli direct login ...`: a participant's login at the broker, and who may have one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_facts, print_list
from suanli.cli.session import Output, Session, argument, command, option
from suanli.direct_access import NAMES

if TYPE_CHECKING:
    import typer

    from suanli.cli.session import Text

Json = dict[str, Any]
Participant = Annotated[
    str | None,
    option("--participant", en="Another one's, for the operator.", zh="他方的(运营方可用)。"),
]
_File = Annotated[
    Path | None,
    option(
        "--file",
        en="Write the SUANLI_DIRECT_... lines into a new file (0600).",
        zh="将 SUANLI_DIRECT_... 各行写入新文件(0600)。",
    ),
]
_Who = Annotated[str, argument("PARTICIPANT", en="Its id.", zh="参与方编号。")]
_YES: Final = ("yes", "是")
_NO: Final = ("no", "否")
_SHOWN: Final[tuple[tuple[str, Text], ...]] = (
    ("participant_id", ("participant", "参与方")),
    ("allowed", ("allowed", "是否获准")),
    ("state", ("login", "登录凭据")),
    ("changed_at", ("password of", "密码建立于")),
    ("brokers", ("broker", "服务器")),
    ("user", ("user", "用户名")),
    ("write_topic", ("you write", "写入")),
    ("status_topic", ("you read", "读取")),
)


def register(noun: typer.Typer) -> None:
    """Add the commands to the group of signed records."""
    command(
        noun,
        "login",
        en="Show your login at the broker: whether there is one, and where it leads.",
        zh="查看消息系统登录凭据。",
    )(_show)
    command(
        noun,
        "new-password",
        en="Make your login at the broker, or a new password for it; shown this once.\n\n"
        "The old password opens no connection more. The operator allows it first.",
        zh="建立登录凭据或更换密码(仅显示一次)。\n\n旧密码立即失效;须先由运营方允许。",
    )(_make)
    command(
        noun,
        "end-login",
        en="End your login at the broker, on open connections too.",
        zh="撤销登录凭据,已建立的连接同时失效。",
    )(_end)
    command(
        noun,
        "allow",
        en="Allow a participant a login at the broker (operator).",
        zh="允许参与方直连(运营方)。",
    )(_allow)
    command(
        noun,
        "withhold",
        en="Take that back, and end its login (operator).",
        zh="收回直连许可并撤销登录凭据(运营方)。",
    )(_withhold)


def own_id(session: Session) -> str:
    """Return who is calling."""
    me = session.client.send(ops.read("/v1/participants/me"))
    return str(me["participant_id"])


def _path(session: Session, participant: str | None) -> str:
    return f"/v1/participants/{participant or own_id(session)}/direct-login"


def _show(session: Session, participant: Participant = None) -> None:
    _print(session, session.client.send(ops.read(_path(session, participant))))


def _make(session: Session, file: _File = None, participant: Participant = None) -> None:
    if file is not None and file.exists():
        allowed = ("a file that is not there yet", "尚不存在的文件")
        raise UsageProblem("--file", str(file), allowed)
    made = session.client.send(ops.Operation("POST", _path(session, participant)))
    login = made["login"]
    told = {
        NAMES["bootstrap"]: login["brokers"],
        NAMES["user"]: login["user"],
        NAMES["password"]: made["password"],
        NAMES["topic"]: login["write_topic"],
        NAMES["status_topic"]: login["status_topic"],
    }
    text = "".join(f"{name}={value}\n" for name, value in told.items())
    if file is not None:
        _keep(file, text)
        _print(session, login)
    elif session.output is Output.JSON:
        session.print_json(made)
    else:
        sys.stdout.write(text)


def _keep(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


def _end(session: Session, participant: Participant = None) -> None:
    _print(session, session.client.send(ops.Operation("DELETE", _path(session, participant))))


def _allow(session: Session, participant: _Who) -> None:
    _set(session, participant, "allowed")


def _withhold(session: Session, participant: _Who) -> None:
    _set(session, participant, "withheld")


def _set(session: Session, participant: str, access: str) -> None:
    path = f"/v1/participants/{participant}/direct-access"
    _print(session, session.client.send(ops.Operation("PUT", path, body={"access": access})))


def _column(name: str, said: Text) -> Column:
    return Column(name, said, lambda login: "" if login[name] is None else str(login[name]))


def _print(session: Session, login: Json) -> None:
    if session.output is Output.JSON:
        session.print_json(login)
    elif session.output is Output.TABLE:
        told = login | {
            "allowed": session.say(_YES if login["allowed"] else _NO),
            "state": session.say(vocabulary.words(login["state"], vocabulary.LOGIN_STATES)),
        }
        found = [(session.say(said), told[name]) for name, said in _SHOWN]
        print_facts(session, [(said, str(value)) for said, value in found if value])
    else:
        columns = [_column(name, said) for name, said in _SHOWN]
        print_list(session, [login], columns, empty=("", ""))
