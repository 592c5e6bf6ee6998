"""``suanli-exchange participants`` and ``suanli-exchange keys``."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from schemas.base import Model
    from services.gateway.administration import Administration
    from services.kit.settings import KitSettings

participants = typer.Typer(
    help="Who takes part: admit, list, suspend. 参与方:准入、列表、暂停。", no_args_is_help=True
)
keys = typer.Typer(
    help="API keys of participants: make, list, revoke. 参与方的 API 密钥。", no_args_is_help=True
)

_T = TypeVar("_T")
EXIT_REFUSED = 2
EXIT_UNREACHABLE = 3
_USAGE_STATUS = 2


class _Scope(StrEnum):
    """What a key may do; Typer repeats no other kind of choice."""

    READ = "read"
    TRADE = "trade"
    MONEY = "money"
    GOVERN = "govern"
    ADMIN = "admin"


_Who = Annotated[str, typer.Argument(metavar="PARTICIPANT", help="Its id. 参与方编号。")]
_Why = Annotated[
    str, typer.Option("--reason", help="Its orders leave with this sentence. 事由,随订单告知。")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON。")]


@participants.command(
    "add",
    help="Admit a participant; shows its first API key and its password at the broker this once. "
    "准入一个参与方；其首个 API 密钥与 Kafka 密码仅显示这一次。",
)
def add_participant(
    participant: _Who,
    role: Annotated[
        Literal["provider", "enterprise", "regulator"], typer.Option(help="What it does. 角色。")
    ],
    name: Annotated[str, typer.Option(help="Name to show. 显示名称。")],
    resource_code: Annotated[
        str | None, typer.Option(help="Resource identification code. 资源标识编码。")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Who owns it in the end. 实际控制人。")] = None,
    *,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct/--no-direct",
            help="Also let it write signed records to the broker (provider, enterprise). "
            "同时授予直连 Kafka 的权限。",
        ),
    ] = True,
) -> None:
    """Admit a participant; shows its first API key and its password at the broker this once."""
    from schemas.api import ParticipantNew
    from schemas.types import Role

    new = checked(
        lambda: ParticipantNew(
            participant_id=participant,
            role=Role(role),
            name=name,
            resource_code=resource_code,
            beneficial_owner=owner,
        )
    )
    made = run_administration(lambda desk: desk.add(new))
    typer.echo(f"SUANLI_API_KEY={made.api_key}")
    if not direct or role == "regulator":
        return
    from services.gateway import direct_access

    # Shown first, since it is shown once: the broker may refuse what follows.
    sys.stdout.flush()
    granted = _on_stores(lambda settings: direct_access.grant(settings, participant))
    typer.echo(f"SUANLI_DIRECT_USER={granted.user}")
    typer.echo(f"SUANLI_DIRECT_PASSWORD={granted.password}")
    typer.echo(f"SUANLI_DIRECT_TOPIC={granted.write}")
    typer.echo(f"SUANLI_DIRECT_STATUS_TOPIC={granted.read}")


@participants.command(
    "list",
    help="List all participants. 列出全部参与方。",
)
def list_participants(*, as_json: AsJson = False) -> None:
    """List all participants."""
    found = run_administration(lambda desk: desk.participants())
    _print_views(found, ("participant_id", "role", "status", "name"), as_json=as_json)


@participants.command(
    help="Let a participant read and no more; its orders leave the book at the next round. "
    "暂停参与方：仅可查询，其订单自下一轮起离开订单簿。",
)
def suspend(participant: _Who, reason: _Why) -> None:
    """Let a participant read and no more; its orders leave the book at the next round.

    Its login at the broker ends too; it makes another once it may trade again.
    """
    from services.gateway import direct_access

    run_administration(lambda desk: desk.set_standing(participant, "suspended", reason))
    typer.echo(f"{participant}: suspended 已暂停")
    sys.stdout.flush()
    if _on_stores(lambda settings: direct_access.end_login(settings, participant)):
        typer.echo(f"{participant}: login at the broker ended 消息系统登录凭据已撤销")


@participants.command(
    help="Let a participant trade again. 恢复参与方的交易。",
)
def resume(participant: _Who, reason: _Why) -> None:
    """Let a participant trade again."""
    run_administration(lambda desk: desk.set_standing(participant, "active", reason))
    typer.echo(f"{participant}: active 已恢复")


@keys.command(
    "create",
    help="Make a further API key of a participant; it is shown this once. "
    "为参与方新建 API 密钥，仅显示这一次。",
)
def create_key(
    participant: _Who,
    label: Annotated[str, typer.Option(help="What it is for. 用途。")] = "api",
    scope: Annotated[
        list[_Scope] | None, typer.Option(help="May be repeated; read alone. 权限范围,可重复。")
    ] = None,
    days: Annotated[int, typer.Option(help="Days until it expires. 有效天数。")] = 365,
) -> None:
    """Make a further API key of a participant; it is shown this once."""
    from schemas.identity import KeyNew, Scope

    wanted = checked(
        lambda: KeyNew(
            label=label,
            scopes=tuple(Scope(one.value) for one in scope or [_Scope.READ]),
            expires_in_days=days,
        )
    )
    made = run_administration(lambda desk: desk.add_key(participant, wanted))
    typer.echo(f"SUANLI_API_KEY={made.api_key}")
    typer.echo(f"SUANLI_API_KEY_ID={made.key.key_id}")


@keys.command(
    "list",
    help="List a participant's API keys without their secrets. "
    "列出参与方的 API 密钥，不含密钥本身。",
)
def list_keys(participant: _Who, *, as_json: AsJson = False) -> None:
    """List a participant's API keys without their secrets."""
    found = run_administration(lambda desk: desk.keys(participant))
    _print_views(found, ("key_id", "label", "scopes", "expires_at", "revoked_at"), as_json=as_json)


@keys.command(
    "revoke",
    help="Revoke an API key for good. 永久吊销一个 API 密钥。",
)
def revoke_key(
    participant: _Who, key: Annotated[str, typer.Argument(metavar="KEY", help="key_... 密钥编号。")]
) -> None:
    """Revoke an API key for good."""
    view = run_administration(lambda desk: desk.revoke_key(participant, key))
    typer.echo(f"{view.key_id}: revoked 已吊销")


def checked(make: Callable[[], _T]) -> _T:
    """Return a body of the API, or tell all that is wrong with it."""
    from pydantic import ValidationError

    try:
        return make()
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            field = ".".join(map(str, fault["loc"]))
            value = str(fault["input"])[:200]
            sys.stderr.write(
                f"{field}: must fit ({fault['msg']}), was {value}\n{field}:格式不符,实为 {value}\n"
            )
        raise typer.Exit(_USAGE_STATUS) from None


def run_administration(work: Callable[[Administration], Awaitable[_T]]) -> _T:
    """Return what the operator's desk at the server does; exit if log or database is away."""
    from services.gateway.administration import administering

    async def act(settings: KitSettings) -> _T:
        async with administering(settings) as desk:
            return await work(desk)

    return _on_stores(act)


def _on_stores(work: Callable[[KitSettings], Awaitable[_T]]) -> _T:
    import asyncpg

    from services.kit.settings import KitSettings, load

    async def act() -> _T:
        return await work(load(KitSettings))

    try:
        return asyncio.run(act())
    except (OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(
            f"The database of SUANLI_POSTGRES_DSN cannot be used: {error}\n"
            f"无法使用 SUANLI_POSTGRES_DSN 指定的数据库:{error}\n"
        )
        raise typer.Exit(EXIT_UNREACHABLE) from None


def _print_views(found: Sequence[Model], names: Sequence[str], *, as_json: bool) -> None:
    rows = [one.model_dump(mode="json") for one in found]
    print_rows(rows, names, as_json=as_json)


def print_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, as_json: bool) -> None:
    """Print rows: as JSON whole, else the named cells, a line each."""
    if as_json:
        typer.echo(json.dumps(list(rows), ensure_ascii=False, indent=2))
        return
    for row in rows:
        cells = (row[name] for name in names)
        typer.echo(
            "  ".join(",".join(one) if isinstance(one, list) else str(one or "-") for one in cells)
        )
