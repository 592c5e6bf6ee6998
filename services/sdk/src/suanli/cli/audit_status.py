"""`suanli audit status`: how far the exchange's own auditor is, as it says itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suanli import operations as ops
from suanli.cli import units, words
from suanli.cli.render import print_details

if TYPE_CHECKING:
    from suanli.cli.session import Session, Text

Json = dict[str, Any]


def show(session: Session) -> None:
    """Print what the auditor said last.

    Raises:
        ApiError: if it has not said anything yet.
    """
    item: Json = session.client.send(ops.read("/v1/audit"))
    print_details(session, item, rows_of(item))
    session.note(
        (
            "As the exchange says itself; `suanli audit` checks it here.",
            "以上为交易所自述;可用 `suanli audit` 在本机核验。",
        )
    )


def rows_of(item: Json) -> list[tuple[str, Text, str | Text]]:
    """Return (name, label, value) of each fact."""
    checked, published = item["entries_checked"], item["entries_published"]
    size, root = item["head_size"], item["head_root"]
    head: str | Text = ("none yet", "尚无")
    if size:
        head = (f"{size:,} entries, root {root}", f"{size:,} 条,根 {root}")
    return [
        ("told_at", ("as of (UTC)", "截至(UTC)"), _instant(item["told_at"])),
        _count(item, "rounds_verified", ("rounds verified", "已核验轮次")),
        _count(item, "rounds_refuted", ("rounds refuted", "未通过轮次")),
        _count(item, "rounds_booked", ("of those, booked as verified", "其中记账相符")),
        (
            "entries_checked",
            ("entries checked", "已核验条目"),
            (f"{checked:,} of {published:,}", f"{checked:,} / {published:,}"),
        ),
        ("head_size", ("last head that fits", "最近相符的检查点"), head),
        ("head_told_at", ("published (UTC)", "公布时间(UTC)"), _instant(item["head_told_at"])),
        _count(item, "cosignatures", ("cosignatures", "见证方签名")),
        _count(item, "findings", ("findings", "发现的问题")),
    ]


def _instant(text: str | None) -> str:
    return units.short_time(text, seconds=True)


def _count(item: Json, name: str, label: Text) -> tuple[str, Text, str]:
    return name, label, words.count(item[name])
