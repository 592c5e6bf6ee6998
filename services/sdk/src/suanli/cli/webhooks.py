"""`suanli webhooks`: addresses that are told what happens."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli import vocabulary
from suanli.cli import options, ordering, words
from suanli.cli.render import Column, print_details, print_list, ranked
from suanli.cli.session import (
    EXIT_REFUSED,
    Output,
    Session,
    argument,
    command,
    group,
    option,
)

Json = dict[str, Any]
_PATH: Final = "/v1/webhooks"


class _Event(StrEnum):
    """What a webhook may be told; Typer repeats no other kind of choice."""

    STATUS = "orders.status"
    FILL = "orders.fill"
    SEALED = "rounds.sealed"
    CLEARED = "rounds.cleared"
    CLOSED = "rounds.closed"
    PRICES = "prices.prices"


_Id = Annotated[str, argument("WEBHOOK", en="Webhook, wh_...", zh="Webhook 编号,wh_...")]

_COLUMNS: Final[tuple[Column, ...]] = (
    words.text_column("webhook_id", ("webhook", "Webhook"), "webhook_id"),
    words.text_column("url", ("address", "地址"), "url"),
    words.coded_column("state", ("state", "状态"), "state", vocabulary.WEBHOOK_STATES),
    words.coded_column(
        "disabled_because", ("because", "停用原因"), "disabled_because", vocabulary.WEBHOOK_ENDS
    ),
    Column("failures", ("failures", "连续失败"), lambda item: str(item["failures"]), number=True),
    ranked(1, words.time_column("failing_since", ("failing since", "失败始于"), "failing_since")),
    ranked(2, words.time_column("next_attempt_at", ("next try", "下次尝试"), "next_attempt_at")),
    ranked(3, Column("events", ("told", "通知类型"), lambda item: ", ".join(item["events"]))),
    ranked(4, words.text_column("market_id", ("market", "市场"), "market_id")),
    ranked(5, words.text_column("description", ("what for", "用途"), "description")),
)
_DELIVERIES: Final[tuple[Column, ...]] = (
    words.text_column("message_id", ("message", "消息"), "message_id"),
    words.text_column("type", ("type", "类型"), "type"),
    Column("is_taken", ("taken", "已接收"), lambda item: words.yes(item["is_taken"])),
    Column("status", ("status", "HTTP 状态"), lambda item: str(item["status"] or "")),
    words.coded_column("error", ("error", "错误"), "error", vocabulary.DELIVERY_ERRORS),
    words.count_column("attempts", ("tries", "次数"), "attempts"),
    words.count_column("duration_ms", ("ms", "毫秒"), "duration_ms"),
    words.time_column("last_at", ("last try", "最近尝试"), "last_at", seconds=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "webhooks",
        en="Addresses of yours that are told what happens.",
        zh="Webhook:向您的地址推送事件。",
    )
    command(
        noun, "add", en="Add a webhook; its secret is shown this once.", zh="新建;密钥仅显示一次。"
    )(_add)
    command(noun, "list", en="List your webhooks, newest first.", zh="列出 Webhook,新者在前。")(
        _list
    )
    command(
        noun,
        "ping",
        en="Send a test message now.\n\nExit code 1: it was not taken.",
        zh="立即发送测试消息。\n\n退出码 1:未被接收。",
    )(_ping)
    command(noun, "deliveries", en="List what was sent, latest first.", zh="列出已发送的消息。")(
        _deliveries
    )
    command(
        noun,
        "redeliver",
        en="Send a message again now.\n\nExit code 1: it was not taken.",
        zh="立即重发一条消息。\n\n退出码 1:未被接收。",
    )(_redeliver)
    command(
        noun,
        "rotate",
        en="Make a new secret, shown this once; for 24 hours the old one signs too.",
        zh="更换密钥,仅显示一次;24 小时内新旧密钥同时签名。",
    )(_rotate)
    command(noun, "disable", en="Send nothing for now.", zh="暂停推送。")(_disable)
    command(noun, "enable", en="Go on where it stopped.", zh="从停止处继续推送。")(_enable)
    command(noun, "delete", en="Delete a webhook for good.", zh="永久删除。")(_delete)


def _add(
    session: Session,
    url: Annotated[str, argument("URL", en="Where messages go.", zh="消息地址。")],
    event: Annotated[
        list[_Event], option("--event", en="What to tell; may be repeated.", zh="通知类型,可重复。")
    ],
    market: Annotated[
        str | None, option("--market", en="Only of this market.", zh="仅此市场。")
    ] = None,
    description: Annotated[str, option("--description", en="What it is for.", zh="用途。")] = "",
) -> None:
    body: Json = {"url": url, "events": [one.value for one in event], "description": description}
    if market is not None:
        body["market_id"] = market
    _show_secret(session, session.client.send(ops.Operation("POST", _PATH, body=body)))


def _list(session: Session, participant: options.Participant = None) -> None:
    found = session.client.send(ops.read(_PATH, participant_id=participant))
    print_list(session, found, _COLUMNS, empty=("No webhooks.", "没有 Webhook。"))


def _ping(session: Session, webhook: _Id) -> None:
    _show_attempt(session, session.client.send(ops.Operation("POST", f"{_of(webhook)}/ping")))


def _deliveries(
    session: Session,
    webhook: _Id,
    failed: Annotated[
        bool, option("--failed", en="Only what was not taken.", zh="仅未被接收的。")
    ] = False,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(f"{_of(webhook)}/deliveries", is_taken=False if failed else None)
    found = ordering.take(session, pages, limit)
    print_list(session, found, _DELIVERIES, empty=("Nothing was sent.", "尚未发送。"))


def _redeliver(
    session: Session,
    webhook: _Id,
    message: Annotated[str, argument("MESSAGE", en="Message, msg_...", zh="消息编号,msg_...")],
) -> None:
    path = f"{_of(webhook)}/deliveries/{ops.place(message)}/redeliver"
    _show_attempt(session, session.client.send(ops.Operation("POST", path)))


def _rotate(session: Session, webhook: _Id) -> None:
    _show_secret(session, session.client.send(ops.Operation("POST", f"{_of(webhook)}/secret")))


def _disable(session: Session, webhook: _Id) -> None:
    _set_state(session, webhook, "disabled")


def _enable(session: Session, webhook: _Id) -> None:
    _set_state(session, webhook, "active")


def _delete(session: Session, webhook: _Id) -> None:
    view = session.client.send(ops.Operation("DELETE", _of(webhook)))
    print_list(session, [view], _COLUMNS, empty=("", ""))


def _set_state(session: Session, webhook: str, state: str) -> None:
    view = session.client.send(ops.read(_of(webhook)))
    kept = {name: view[name] for name in ("url", "events", "market_id", "description")}
    changed = session.client.send(ops.Operation("PUT", _of(webhook), body={**kept, "state": state}))
    print_list(session, [changed], _COLUMNS, empty=("", ""))


def _of(webhook: str) -> str:
    return f"{_PATH}/{ops.place(webhook)}"


def _show_secret(session: Session, made: Json) -> None:
    view = made["webhook"]
    print_details(
        session,
        made,
        [
            ("webhook_id", ("webhook", "Webhook"), view["webhook_id"]),
            ("url", ("address", "地址"), view["url"]),
            ("events", ("told", "通知类型"), ", ".join(view["events"])),
            ("secret", ("secret", "密钥"), made["secret"]),
            (
                "old_secret_until",
                ("old secret until", "旧密钥有效至"),
                str(made.get("old_secret_until") or ""),
            ),
        ],
    )
    if session.output is not Output.JSON:
        session.note(("The secret is shown this once.", "密钥仅显示这一次。"))


def _show_attempt(session: Session, attempt: Json) -> None:
    print_details(
        session,
        attempt,
        [
            ("message_id", ("message", "消息"), attempt["message_id"]),
            ("is_taken", ("taken", "已接收"), words.yes(attempt["is_taken"])),
            ("status", ("status", "HTTP 状态"), str(attempt.get("status") or "")),
            (
                "error",
                ("error", "错误"),
                vocabulary.words(attempt.get("error") or "", vocabulary.DELIVERY_ERRORS),
            ),
            ("duration_ms", ("ms", "毫秒"), str(attempt["duration_ms"])),
        ],
    )
    if not attempt["is_taken"]:
        raise typer.Exit(EXIT_REFUSED)
