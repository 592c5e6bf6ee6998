"""`suanli acts`: who asked for what under money, govern or admin, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from suanli import vocabulary
from suanli.cli import options, ordering, units, words
from suanli.cli.render import Column, print_list, ranked
from suanli.cli.session import Session, command, option

if TYPE_CHECKING:
    import typer

Json = dict[str, Any]

_COLUMNS: Final[tuple[Column, ...]] = (
    words.time_column("at", ("at", "时间"), "at", seconds=True),
    words.text_column("participant_id", ("participant", "参与方"), "participant_id"),
    words.text_column("credential_id", ("key or member", "密钥或成员"), "credential_id"),
    words.coded_column("scope", ("under", "权限范围"), "scope", vocabulary.SCOPES),
    words.coded_column("act", ("what", "操作"), "act", vocabulary.ACTS),
    words.text_column("object", ("of what", "对象"), "object"),
    words.coded_column("outcome", ("outcome", "结果"), "outcome", vocabulary.OUTCOMES),
    Column("status", ("HTTP", "HTTP"), lambda item: str(item["status"] or "")),
    ranked(
        1, words.text_column("body_sha256", ("body (SHA-256)", "请求体(SHA-256)"), "body_sha256")
    ),
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "acts",
        en="List who asked for what under money, govern or admin, latest first "
        "(regulator, operator; else your own).",
        zh="列出以资金、治理或管理权限提出的操作及结果,新者在前(监管方、运营方;其他人仅本方)。",
    )(_list)


def _wall_clock() -> datetime:
    # The record of acts is not kept by a market's clock.
    return datetime.now(UTC)


def _list(
    session: Session,
    participant: options.Participant = None,
    since: Annotated[
        str | None,
        option(
            "--since",
            en="Only from then on, by the wall clock: an instant with a time zone.",
            zh="仅此后(实际时间):带时区的时刻。",
        ),
    ] = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    pages = session.client.pages(
        "/v1/admin-acts",
        participant_id=participant,
        since=None if since is None else units.instant("--since", since, _wall_clock),
    )
    print_list(
        session,
        ordering.take(session, pages, limit),
        _COLUMNS,
        empty=("Nothing was asked for.", "暂无操作。"),
    )
