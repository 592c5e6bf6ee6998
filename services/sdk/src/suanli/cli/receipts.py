"""`suanli receipt verify`: was the order behind a receipt taken in, or left out?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suanli import operations as ops
from suanli.cli import offline
from suanli.cli.errors import UsageProblem
from suanli.cli.render import print_details
from suanli.cli.session import EXIT_REFUSED, Session, argument, command, group, option
from suanli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
_NOT_FOUND = 404
_NAMED_MAX = 5
_NEEDED = ("market_id", "topic", "partition", "offset", "order_id", "event_id")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(app, "receipt", en="Receipts of orders.", zh="订单回执。")
    command(
        noun,
        "verify",
        en="Tell which round took in the order of a receipt, or prove that it was left out.\n\n"
        "Exit code 0: taken in, or not its turn yet; 1: left out, or not signed by the key.",
        zh="查明回执所对应订单由哪一轮读入,或证明其被遗漏。\n\n"
        "退出码 0:已读入或尚未轮到;1:被遗漏,或签名与密钥不符。",
    )(_verify)


def _verify(
    session: Session,
    file: Annotated[Path, argument("FILE", en="The receipt, JSON.", zh="回执,JSON。")],
    folder: Annotated[
        Path | None,
        option(
            "--offline",
            en="Only look into this export (`suanli log export`).",
            zh="只查阅此导出目录(`suanli log export`)。",
        ),
    ] = None,
    key: Annotated[
        str | None,
        option(
            "--key",
            en="Receipt key, Base64; by default the one that the exchange tells now.",
            zh="回执公钥,Base64;默认取交易所当前公布者。",
        ),
    ] = None,
) -> None:
    from suanli.check_receipt import is_signed_by, judged, taken_in

    receipt = _read(file)
    if folder is not None:
        listed = list(offline.rounds_of(folder))
        rounds = [item for item, _ in listed]
        found = taken_in(receipt, rounds)
        own = [item for item in listed if item[0]["market_id"] == receipt["market_id"]]
        books: Iterator[Json] = (json.loads(content)["book"] for _, content in own)
        verdict: Json | None = None
    else:
        market_id = receipt["market_id"]
        rounds = list(session.client.pages("/v1/rounds", market_id=market_id))
        found = taken_in(receipt, rounds)
        books = _books(session, rounds, found.round_id)
        verdict = _verdict(session, receipt) if found.state == "taken" else None
        key = key or _key_now(session)
    try:
        signed = None if key is None else is_signed_by(receipt, key)
        unsigned = [] if key is None else _unsigned(receipt, rounds, key)
    except ValueError as error:
        allowed = ("Base64 of 32 bytes", "32 字节的 Base64")
        raise UsageProblem("--key", str(key)[:80], allowed) from error
    if found.state == "taken":
        found = judged(receipt, found, books, verdict)
    told: list[tuple[str, tuple[str, str], str | tuple[str, str]]] = [
        ("order_id", ("order", "订单"), str(receipt["order_id"])),
        ("state", ("found", "结论"), found.state),
        ("round_id", ("round", "轮次"), found.round_id or ""),
        ("signed", ("signed by the key", "签名相符"), _yes(signed)),
        ("manifests", ("manifests signed by the key", "清单签名相符"), _all(key, unsigned)),
        ("detail", ("detail", "说明"), (found.en, found.zh)),
    ]
    body = {"state": found.state, "round_id": found.round_id, "signed": signed, "en": found.en,
            "manifests_unsigned": unsigned}  # fmt: skip
    print_details(session, {**body, "zh": found.zh, "receipt": receipt}, told)
    if found.state in {"omitted", "unknown"} or signed is False or unsigned:
        raise typer.Exit(EXIT_REFUSED)


def _key_now(session: Session) -> str | None:
    """Return the exchange's receipt key, ``None`` if it does not sign receipts."""
    try:
        return str(session.client.send(ops.read("/v1/receipt-key"))["public_key"])
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return None
        raise


def _yes(value: bool | None) -> tuple[str, str]:
    if value is None:
        return ("not checked: no key", "未核验:无密钥")
    return ("yes", "是") if value else ("NO", "否")


def _unsigned(receipt: Json, rounds: list[Json], key: str) -> list[str]:
    """Return the rounds of a receipt's market whose manifests are not signed with a key.

    Raises:
        ValueError: if it is no key.
    """
    from suanli.check_receipt import is_manifest_signed_by

    own = [item for item in rounds if item["market_id"] == receipt["market_id"]]
    # Of a round of which the exchange has not read more than its number, there is nothing yet.
    sealed = [item for item in own if item.get("manifest") or item.get("book_digest")]
    return [str(item["round_id"]) for item in sealed if not is_manifest_signed_by(item, key)]


def _all(key: str | None, unsigned: list[str]) -> tuple[str, str]:
    if key is None or not unsigned:
        return _yes(None if key is None else True)
    names = ", ".join(unsigned[:_NAMED_MAX])
    more = len(unsigned) - _NAMED_MAX
    if more > 0:
        names = f"{names}, +{more}"
    return (f"NO: {names}", f"否:{names}")


def _read(file: Path) -> Json:
    try:
        found = json.loads(file.read_bytes())
        missing = [name for name in _NEEDED if found.get(name) is None]
    except (OSError, ValueError, AttributeError) as error:
        allowed = ("a file with a receipt's JSON", "含回执 JSON 的文件")
        raise UsageProblem("FILE", f"{file}: {error}"[:200], allowed) from error
    if missing:
        names = ", ".join(missing)
        allowed = (f"an order's receipt, with {names}", f"订单回执,须含 {names}")
        raise UsageProblem("FILE", str(file), allowed)
    receipt: Json = found
    return receipt


def _books(session: Session, rounds: list[Json], first: str | None) -> Iterator[Json]:
    """Yield the books of a round and of later ones, as far as their files are there."""
    begun = False
    for item in sorted(rounds, key=lambda found: int(found["seq"])):
        begun = begun or item["round_id"] == first
        if begun and item["file"]["state"] == "ok":
            content = session.client.download(f"/v1/rounds/{item['round_id']}/file")
            yield json.loads(content)["book"]


def _verdict(session: Session, receipt: Json) -> Json:
    """Return the first status that the receipt's record caused, empty if none was told."""
    for step in session.client.pages(f"/v1/orders/{receipt['order_id']}/life"):
        if step["kind"] == "status" and step["causation_id"] == receipt["event_id"]:
            found: Json = step
            return found
    return {}
