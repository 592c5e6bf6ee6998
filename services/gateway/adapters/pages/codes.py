"""Codes in words for the pages: those of the client's vocabulary, and what services say.

A code that is in no table is shown as it is, so that a new one is seen rather than hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.vocabulary import ACTS, ENTRY_KINDS, PURPOSES, SCOPES, STEPS, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from suanli.vocabulary import Words

SERVICES: dict[str, Words] = {
    "ledger": ("ledger", "账本"),
    "matching": ("matching", "撮合"),
    "auditor": ("auditor", "审计"),
    "gateway": ("gateway", "网关"),
    # Those beside it, as they are called where several run on one machine.
    **{f"gateway-{number}": (f"gateway {number}", f"网关 {number}") for number in range(1, 4)},
    "market": ("market", "市场"),
    "rounds": ("rounds", "轮次"),
    "journal": ("journal", "日记账"),
    "http": ("HTTP", "HTTP"),
    "postgres": ("PostgreSQL", "PostgreSQL"),
    "kafka": ("Kafka", "Kafka"),
    "projection": ("projection", "投影"),
}
"""Services and the parts that they report on."""

FACTS: dict[str, Words] = {
    "epoch": ("term", "任期"),
    "lag_records": ("records to read", "待读记录"),
    "log_size": ("log entries", "日志条目"),
    "round_seq": ("round", "轮次"),
    "books_compared": ("books compared", "已核对订单簿"),
    "ledger_leaves": ("reads the ledger's leaves", "读取账本叶"),
    "entries_checked": ("entries checked", "已检查条目"),
    "entries_published": ("entries published", "已公布条目"),
    "rounds_verified": ("rounds verified", "已验证轮次"),
    "rounds_booked": ("rounds booked", "已入账轮次"),
    "findings": ("findings", "发现问题"),
}
"""What services say of themselves."""

_ALL: tuple[Mapping[str, Words], ...] = (PURPOSES, ENTRY_KINDS, STEPS, SERVICES, FACTS, SCOPES)


def word(code: str, language: str, *tables: Mapping[str, Words]) -> str:
    """Return a code in words.

    Args:
        code: The code.
        language: ``zh`` or ``en``.
        tables: Where to look, the first that has it; everywhere but in reports if none is named.
    """
    return words(code, *(tables or _ALL))[language == "zh"]


def act(name: str, language: str) -> str:
    """Return what was asked for in words.

    Args:
        name: Of its route.
        language: ``zh`` or ``en``.
    """
    return word(name, language, ACTS)


FILTERS: dict[str, Callable[..., str]] = {"word": word, "act": act}
