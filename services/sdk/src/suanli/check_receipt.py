"""Was the order behind a receipt taken in? Found from the receipt and published rounds alone.

A round names the records that it took in as ranges of offsets, each of which begins where the one
before ended. A record that no range has was left out; one that a range has must be in a book from
then on, or have had a verdict that says why not. Uses the standard library alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from suanli.ed25519 import verify

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]
_KEY_BYTES: Final = 32
# What the exchange signs of a round; the record tells it from a receipt.
_SIGNED: Final = ("book_digest", "manifest", "market_id", "round_id", "seq")
_RECORD: Final = "suanli.round.manifest.v1"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a receipt.

    Attributes:
        state: ``taken``, ``waiting``, ``omitted`` or ``unknown``.
        round_id: The round that took it in, or the first that should have.
        en: A sentence.
        zh: The same in Chinese.
    """

    state: str
    round_id: str | None
    en: str
    zh: str


def key_id_of(key: str) -> str:
    """Return the id of a receipt key, which receipts name.

    Raises:
        ValueError: if it is not Base64 of 32 bytes.
    """
    return "rk_" + hashlib.sha256(_key(key)).hexdigest()[:16]


def is_signed_by(receipt: Json, key: str) -> bool:
    """Return whether a receipt is signed with a key (Base64 of the public key's 32 bytes).

    Raises:
        ValueError: if the key is not that.
    """
    fields = {name: value for name, value in receipt.items() if value is not None}
    signature = fields.pop("signature", None)
    if not isinstance(signature, str) or fields.get("key_id") != key_id_of(key):
        return False
    return _fits(key, signature, fields)


def is_manifest_signed_by(item: Json, key: str) -> bool:
    """Return whether the manifest of a round, as ``/v1/rounds`` lists it, is signed with a key.

    Raises:
        ValueError: if the key is not Base64 of 32 bytes.
    """
    signed = item.get("manifest_signature") or {}
    signature = signed.get("signature")
    if not isinstance(signature, str) or signed.get("key_id") != key_id_of(key):
        return False
    fields = {name: item.get(name) for name in _SIGNED}
    return _fits(key, signature, fields | {"record": _RECORD})


def _fits(key: str, signature: str, fields: Json) -> bool:
    message = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return verify(_key(key), raw, message.encode())


def taken_in(receipt: Json, rounds: Iterable[Json]) -> Finding:
    """Return which round took a receipt's record in, by the rounds' manifests.

    Args:
        receipt: The receipt, with ``market_id``, ``topic``, ``partition``, ``offset``.
        rounds: Rounds as ``GET /v1/rounds`` lists them; those of other markets are passed over.
    """
    own = [item for item in rounds if item["market_id"] == receipt["market_id"]]
    own.sort(key=lambda item: int(item["seq"]))
    for number, item in enumerate(own, start=1):
        if int(item["seq"]) != number:
            return _unknown(f"{receipt['market_id']}:{number}")
    offset = int(receipt["offset"])
    end, last = 0, ""
    for item in own:
        for part in item.get("manifest", ()):
            if (part["topic"], part["partition"]) != (receipt["topic"], receipt["partition"]):
                continue
            start = int(part["start"])
            if start > offset:
                return _skipped(receipt, str(item["round_id"]), end, start)
            if offset < int(part["end"]) and start == end:
                return _taken(receipt, str(item["round_id"]))
            if start != end:
                return _skipped(receipt, str(item["round_id"]), end, start)
            end, last = int(part["end"]), str(item["round_id"])
    return Finding(
        "waiting",
        None,
        f"No round has read so far: offset {offset}, {last or 'none'} read to {end}.",
        f"尚无轮次读到此处：偏移 {offset}，{last or '（无）'} 读至 {end}。",
    )


def judged(receipt: Json, found: Finding, books: Iterable[Json], verdict: Json | None) -> Finding:
    """Return what became of an order that was taken in: its verdict, or a book that has it.

    Args:
        receipt: The receipt of an order's submission.
        found: What `taken_in` found: ``taken``.
        books: Books of the round that took it in and of later ones.
        verdict: The status that the record caused: ``state``, ``reason``; empty if none was told,
            ``None`` if nobody was asked.
    """
    if verdict:
        reason = verdict.get("reason") or {}
        en = f"Its verdict: {verdict['state']}. {reason.get('en', '')}"
        zh = f"其结论：{verdict['state']}。{reason.get('zh', '')}"
        return _more(found, "taken", en, zh)
    order = receipt["order_id"]
    for book in books:
        if any(row["id"] == order for row in (*book["offers"], *book["demands"])):
            name = book["round_id"]
            return _more(found, "taken", f"The book of {name} has it.", f"{name} 的订单簿含之。")
    if verdict is None:
        en = "No book has it; whether it had a verdict, `suanli orders life` tells."
        return _more(found, "unknown", en, "订单簿均未含之；有无结论，见 `suanli orders life`。")
    en = "But no book since has the order, and no verdict was told: it was left out."
    return _more(found, "omitted", en, "但此后订单簿均未含该订单，亦未告知结论：该订单被遗漏。")


def _more(found: Finding, state: str, en: str, zh: str) -> Finding:
    return Finding(state, found.round_id, f"{found.en} {en}".strip(), found.zh + zh)


def _taken(receipt: Json, round_id: str) -> Finding:
    place = f"{receipt['topic']}/{receipt['partition']}"
    return Finding(
        "taken",
        round_id,
        f"{round_id} says that it took offset {receipt['offset']} of {place} in.",
        f"{round_id} 声明已读入 {place} 的偏移 {receipt['offset']}。",
    )


def _skipped(receipt: Json, round_id: str, end: int, start: int) -> Finding:
    place = f"{receipt['topic']}/{receipt['partition']}"
    return Finding(
        "omitted",
        round_id,
        f"{round_id} begins at offset {start} of {place}, where the rounds before ended at {end}: "
        f"offset {receipt['offset']} was left out.",
        f"{round_id} 自 {place} 的偏移 {start} 起，而此前轮次止于 {end}："
        f"偏移 {receipt['offset']} 被遗漏。",
    )


def _unknown(missing: str) -> Finding:
    return Finding(
        "unknown",
        None,
        f"Round {missing} is not among the rounds given.",
        f"所给轮次缺少 {missing}。",
    )


def _key(key: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != _KEY_BYTES:
        msg = f"key must be Base64 of {_KEY_BYTES} bytes, was {key[:80]!r}"
        raise ValueError(msg)
    return raw
