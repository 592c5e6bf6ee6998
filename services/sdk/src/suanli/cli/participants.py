"""`suanli participants`: who trades; admission, deposits and keys, for the operator."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import typer

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli import money_orders, options, ordering, units, words
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import Output, Session, argument, command, group, option

Json = dict[str, Any]


class Scope(StrEnum):
    """What a key may do; Typer repeats no other kind of choice."""

    READ = "read"
    TRADE = "trade"
    MONEY = "money"
    GOVERN = "govern"
    ADMIN = "admin"


_Who = Annotated[str, argument("PARTICIPANT", en="Participant's id.", zh="参与方编号。")]

_Why = Annotated[
    str, option("--reason", en="Why; its orders leave with this sentence.", zh="事由,随订单告知。")
]


_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("participant_id", ("participant", "参与方"), "participant_id"),
    words.coded_column("role", ("role", "角色"), "role", vocabulary.ROLES),
    words.text_column("name", ("name", "名称"), "name"),
    words.text_column("resource_code", ("resource code", "资源标识编码"), "resource_code"),
    ranked(1, words.text_column("beneficial_owner", ("owner", "实际控制人"), "beneficial_owner")),
    words.coded_column("status", ("status", "状态"), "status", vocabulary.STANDINGS),
    words.time_column("registered_at", ("since", "注册时间"), "registered_at"),
)
_KEYS: Final[tuple[Column, ...]] = (
    words.text_column("key_id", ("key", "密钥"), "key_id"),
    words.text_column("label", ("label", "标签"), "label"),
    words.time_column("created_at", ("made", "创建"), "created_at"),
    words.scopes_column(),
    words.time_column("expires_at", ("expires", "到期"), "expires_at"),
    words.time_column("last_used_at", ("last used", "最近使用"), "last_used_at"),
    words.time_column("revoked_at", ("revoked", "吊销"), "revoked_at"),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "participants", en="Participants, their money and keys.", zh="参与方。")
    command(noun, "me", en="Show who you are.", zh="查看本方。")(_me)
    command(noun, "list", en="List all participants (operator, regulator).", zh="列出全部参与方。")(
        _list
    )
    command(
        noun,
        "add",
        en="Admit a participant (operator); its key is shown this once.",
        zh="准入参与方(运营方);密钥仅显示一次。",
    )(_add)
    command(
        noun, "deposit", en="Record money that arrived (operator).", zh="登记到账资金(运营方)。"
    )(_deposit)
    command(noun, "withdraw", en="Pay out money (operator).", zh="出金(运营方)。")(_withdraw)
    command(
        noun,
        "reverse",
        en="Take a booking back by its mirror image (operator).",
        zh="以冲正分录撤回一笔入账(运营方)。",
    )(_reverse)
    command(
        noun,
        "suspend",
        en="Let a participant read and no more (operator, regulator); its orders leave the book.",
        zh="暂停参与方(运营方、监管方):仅可读取,其订单将离开订单簿。",
    )(_suspend)
    command(
        noun,
        "resume",
        en="Let a participant trade again (operator, regulator).",
        zh="恢复参与方交易(运营方、监管方)。",
    )(_resume)
    command(noun, "keys", en="List a participant's API keys.", zh="列出参与方的密钥。")(_keys)
    command(noun, "add-key", en="Make a further API key.", zh="新建密钥。")(_add_key)
    command(noun, "revoke-key", en="Revoke an API key for good.", zh="永久吊销密钥。")(_revoke)


def _me(session: Session) -> None:
    view = session.client.send(ops.read("/v1/participants/me"))
    print_details(session, view, _facts(view))


def _facts(view: Json) -> list[ordering.Fact]:
    return [
        ("participant_id", ("participant", "参与方"), view["participant_id"]),
        ("role", ("role", "角色"), vocabulary.words(view["role"], vocabulary.ROLES)),
        ("name", ("name", "名称"), view["name"]),
        (
            "resource_code",
            ("resource code", "资源标识编码"),
            view.get("resource_code") or "",
        ),
        ("beneficial_owner", ("owner", "实际控制人"), view.get("beneficial_owner") or ""),
        ("status", ("status", "状态"), vocabulary.words(view["status"], vocabulary.STANDINGS)),
    ]


def _list(session: Session, where: options.Where = None, limit: options.Limit = 0) -> None:
    pages = session.client.pages("/v1/participants", filter=where)
    found = ordering.take(session, pages, limit)
    print_list(session, found, _COLUMNS, empty=("No participants.", "暂无参与方。"))


def _add(
    session: Session,
    participant: _Who,
    role: Annotated[
        Literal["provider", "enterprise", "regulator"],
        option("--role", en="What it does here.", zh="角色。"),
    ],
    name: Annotated[str, option("--name", en="Name to show.", zh="显示名称。")],
    resource_code: Annotated[
        str | None,
        option("--resource-code", en="Resource identification code.", zh="资源标识编码。"),
    ] = None,
    owner: Annotated[
        str | None,
        option(
            "--owner",
            en="Who owns it in the end; one name for all that it owns.",
            zh="实际控制人;同一控制人使用同一名称。",
        ),
    ] = None,
) -> None:
    reply = session.client.send(ops.register(participant, role, name, resource_code, owner))
    facts = _facts(reply["participant"])
    key: ordering.Fact = ("api_key", ("API key", "密钥"), reply["api_key"])
    if session.output is Output.JSON:
        session.print_json(reply)
        return
    print_details(session, reply, [*facts, key])
    session.note(("The key is shown this once.", "密钥仅显示这一次。"))


def _deposit(
    session: Session,
    participant: _Who,
    amount: Annotated[str, option("--amount", en="Yuan.", zh="元。")],
    reference: Annotated[
        str,
        option(
            "--reference",
            en="Of the transfer; the same one again changes nothing.",
            zh="转账凭证号;重复登记不会再次入账。",
        ),
    ],
) -> None:
    micro = units.micro_of_yuan("--amount", amount)
    receipt = session.client.send(ops.deposit(participant, micro, reference))
    print_details(
        session,
        receipt,
        [
            ("participant_id", ("participant", "参与方"), participant),
            ("amount_yuan", ("deposit (yuan)", "存入(元)"), units.yuan(micro)),
            ("reference", ("reference", "凭证号"), reference),
            ("receipt", ("receipt", "回执"), _position(receipt)),
        ],
    )


def _position(receipt: Json) -> str:
    return f"{receipt['topic']}/{receipt['partition']} @ {receipt['offset']}"


def _withdraw(
    session: Session,
    participant: _Who,
    amount: Annotated[str, option("--amount", en="Yuan.", zh="元。")],
    reference: Annotated[
        str,
        option(
            "--reference",
            en="Of the payout; the same one again pays nothing.",
            zh="出金凭证号;重复提交不会再次出金。",
        ),
    ],
    wait: options.Wait = True,
) -> None:
    micro = units.micro_of_yuan("--amount", amount)
    receipt = session.client.send(ops.withdraw(participant, micro, reference))
    facts: list[ordering.Fact] = [
        ("participant_id", ("participant", "参与方"), participant),
        ("amount_yuan", ("payout (yuan)", "出金(元)"), units.yuan(micro)),
        ("reference", ("reference", "凭证号"), reference),
    ]
    money_orders.tell(session, receipt, receipt["withdrawal_id"], facts, wait=wait)


def _reverse(
    session: Session,
    entry: Annotated[
        str,
        argument(
            "ENTRY",
            en="Entry's id, as suanli account --entries -o json shows it.",
            zh="分录编号,见 suanli account --entries -o json。",
        ),
    ],
    reason: Annotated[str, option("--reason", en="Why, for the log.", zh="原因,记入日志。")],
    wait: options.Wait = True,
) -> None:
    receipt = session.client.send(ops.reverse(entry, reason))
    facts: list[ordering.Fact] = [
        ("reverses", ("takes back", "撤回分录"), entry),
        ("reason", ("because", "事由"), reason),
    ]
    money_orders.tell(session, receipt, receipt["reversal_id"], facts, wait=wait)


def _suspend(session: Session, participant: _Who, reason: _Why) -> None:
    _set_standing(session, participant, "suspended", reason)


def _resume(session: Session, participant: _Who, reason: _Why) -> None:
    _set_standing(session, participant, "active", reason)


def _set_standing(session: Session, participant: str, status: str, reason: str) -> None:
    path = f"/v1/participants/{ops.place(participant)}/standing"
    body = {"status": status, "reason": reason}
    receipt = session.client.send(ops.Operation("PUT", path, body=body))
    print_details(
        session,
        receipt,
        [
            ("participant_id", ("participant", "参与方"), participant),
            ("status", ("status", "状态"), vocabulary.words(status, vocabulary.STANDINGS)),
            ("reason", ("because", "事由"), reason),
            ("receipt", ("receipt", "回执"), _position(receipt)),
        ],
    )


def _keys(session: Session, participant: _Who) -> None:
    found = session.client.send(ops.read(f"/v1/participants/{participant}/keys"))
    print_list(session, found, _KEYS, empty=("No keys.", "没有密钥。"))


def _add_key(
    session: Session,
    participant: _Who,
    label: Annotated[str, option("--label", en="What it is for.", zh="用途。")] = "api",
    scope: Annotated[
        list[Scope] | None,
        option(
            "--scope", en="What it may do; may be repeated; read alone.", zh="权限范围,可重复。"
        ),
    ] = None,
    days: Annotated[
        int | None,
        option("--days", en="Days until it expires; 365.", zh="有效天数,默认 365。"),
    ] = None,
) -> None:
    reply = session.client.send(ops.add_key(participant, label, scope or [Scope.READ], days))
    if session.output is Output.JSON:
        session.print_json(reply)
        return
    print_details(
        session,
        reply,
        [
            ("key_id", ("key", "密钥编号"), reply["key"]["key_id"]),
            ("label", ("label", "标签"), reply["key"]["label"]),
            (
                "scopes",
                ("scopes", "权限范围"),
                words.all_words(reply["key"]["scopes"], vocabulary.SCOPES),
            ),
            ("expires_at", ("expires", "到期"), reply["key"]["expires_at"]),
            ("api_key", ("API key", "密钥"), reply["api_key"]),
        ],
    )
    session.note(("The key is shown this once.", "密钥仅显示这一次。"))


def _revoke(
    session: Session,
    participant: _Who,
    key: Annotated[str, argument("KEY", en="Key's id.", zh="密钥编号。")],
) -> None:
    path = f"/v1/participants/{participant}/keys/{key}"
    view = session.client.send(ops.Operation("DELETE", path))
    print_list(session, [view], _KEYS, empty=("", ""))
