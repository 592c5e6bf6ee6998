"""An export with a round in it: what `suanli log export` writes, made here and falsified there."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.openings import log_entry
from services.kit.signing import NoteSigner
from suanli.check_charges import allocation_id_of
from suanli.checker import verify
from tests.unit.sdk import rounds, shares

Json = dict[str, Any]
SIGNER = NoteSigner("suanli-exchange/test", bytes(range(32)))
MARKET, BANK, ESCROW = "jjj-spot", "bank", "escrow:jjj-spot"


class Journal:
    """Entries in canonical bytes, with balances that are right."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self._balances: dict[tuple[str, str], int] = {}
        self._versions: dict[str, int] = {}

    def add(self, kind: str, amount: int, sides: list[tuple[str, str, int]], **more: str) -> str:
        """Book an entry; sides are (account, layer, amount). Return its id."""
        index = len(self.entries)
        entry_id = f"{index:08}-0000-8000-8000-000000000000"
        postings = []
        for account, layer, moved in sides:
            cell = (account, layer)
            self._balances[cell] = self._balances.get(cell, 0) + moved
            self._versions[account] = self._versions.get(account, 0) + 1
            postings.append(
                {
                    "account": account,
                    "account_version": self._versions[account],
                    "amount": moved,
                    "balance_after": self._balances[cell],
                    "layer": layer,
                }
            )
        body = {
            "amount": amount,
            "cause": more.get("round_id", entry_id),
            "entry_id": entry_id,
            "kind": kind,
            "leaf_index": index,
            "postings": postings,
            "purpose": kind,
            "salt": f"{index:064x}",
            "unit": "CNY-micro",
            **more,
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        self.entries.append(text.encode())
        return entry_id


def booked(result: Json) -> Journal:
    """Return a journal that took for a round what it says, and paid the first demand out."""
    journal = Journal()
    for row in result["demands"]:
        paid, account = row["payment"], f"cny:e-{row['id']}"
        if not paid:
            continue
        about = {"round_id": result["round_id"], "order_id": row["id"]}
        money = [(BANK, "posted", 2 * paid), (account, "posted", -2 * paid)]
        journal.add("single", 2 * paid, money)
        held = [(account, "pending", paid), (ESCROW, "pending", -paid)]
        hold = journal.add("hold", paid, held, order_id=row["id"])
        taken = [(account, "pending", -paid), (ESCROW, "pending", paid)]
        taken += [(account, "posted", paid), (ESCROW, "posted", -paid)]
        journal.add("post", paid, taken, pending_id=hold, **about)
    first = result["demands"][0]
    out = [(ESCROW, "posted", first["payment"]), ("cny:p-off_a", "posted", -first["payment"])]
    about = {"round_id": result["round_id"], "order_id": first["id"]}
    journal.add("single", first["payment"], out, **about)
    return journal


def allocations(result: Json) -> list[Json]:
    """Return a round's allocations as the exchange lists them."""
    made = []
    for row in result["allocations"]:
        curve = result["prices"][row["pool"]]
        periods = [
            {
                "start": _instant(row["start"] + at),
                "chips": n,
                "price": curve[row["start"] + at - 1000],
            }
            for at, n in enumerate(row["chips"])
        ]
        place = (row["demand"], row["offer"], row["pool"], row["start"])
        made.append(
            {
                "allocation_id": allocation_id_of(result["round_id"], place),
                "round_id": result["round_id"],
                "demand_id": row["demand"],
                "enterprise_id": f"e-{row['demand']}",
                "offer_id": row["offer"],
                "provider_id": f"p-{row['offer']}",
                "pool": row["pool"],
                "periods": periods,
                "payment": sum(one["chips"] * one["price"] for one in periods),
            }
        )
    return made


def offers(book: Json) -> list[Json]:
    """Return the offers of a book with the terms that they had."""
    found = []
    for row in book["offers"]:
        zone, chip = row["pool"].split("/")
        span = {"start": _instant(row["start"]), "end": _instant(row["start"] + len(row["chips"]))}
        terms = {"zone": zone, "chip": chip, "chips": max(row["chips"]), **span}
        found.append({"offer": {"order_id": row["id"]}, "versions": [terms]})
    return found


def head(entries: list[bytes], signer: NoteSigner = SIGNER) -> Json:
    """Return the signed head of entries as the exchange lists it."""
    root = Frontier().extend(leaf_hash(log_entry(one)) for one in entries).root()
    note = signer.sign(str(Checkpoint(SIGNER.verifier.name, len(entries), root)))
    return {"size": len(entries), "root": root.hex(), "note": str(note)}


def listed(book: Json, rules: Json, result: Json, content: bytes) -> Json:
    """Return a round as the exchange lists it."""
    counts = verify(book, rules, result).counts
    return {
        "round_id": result["round_id"],
        "file": {"sha256": hashlib.sha256(content).hexdigest()},
        "welfare": result["welfare"],
        "bound": result["certificate"]["bound"],
        "total_regret": result["total_regret"],
        "book_digest": result["book_digest"],
        "rules_digest": result["rules_digest"],
        "payment": sum(demand["payment"] for demand in result["demands"]),
        **{name: counts[name] for name in ("chip_hours", "allocations", "offers", "demands")},
    }


def write(folder: Path) -> list[bytes]:
    """Write the export of a market day with one round; return its entries."""
    book, rules, result = rounds.hand_made()
    return _write(folder, (book, rules, result), booked(result))


def write_shared(folder: Path) -> list[bytes]:
    """Write the export of a day whose round is under a domestic share, all of it delivered."""
    book, rules, result = shares.hand_made()
    journal = Journal()
    market, charges = book["market"], result["shares"][0]["charges"]
    escrow, fund, claims = (f"{name}:{market}" for name in ("escrow", "policy", "premiums"))

    def move(purpose: str, amount: int, debit: str, credit: str, **about: str) -> None:
        sides = [(debit, "posted", amount), (credit, "posted", -amount)]
        journal.add("single", amount, sides, round_id=result["round_id"], purpose=purpose, **about)

    for row in result["demands"]:
        payer = f"cny:e-{row['id']}"
        move("deposit", row["payment"], BANK, payer)
        move("hold_captured", row["payment"], payer, escrow, order_id=row["id"])
    move("premium_assessed", charges, claims, fund)
    for item in allocations(result):
        provider, about = f"cny:{item['provider_id']}", {"order_id": item["demand_id"]}
        move("delivery_paid", item["payment"], escrow, provider, **about)
        if item["provider_id"] == "p-off_d":
            move("premium_credit", charges, fund, provider, **about)
        else:
            move("premium_charge", charges, provider, claims, **about)
    entries = _write(folder, (book, rules, result), journal)
    (rule,), (row,) = book["policies"], result["shares"]
    told = {name: row[name] for name in row if name != "policy"}
    told |= {name: rule["params"][name] for name in ("share_bp", "premium_max")}
    told |= {"policy_id": "share", "version": 1, "region": None, "premium_certified": 25}
    put(folder, "shares", [{"round_id": result["round_id"], "shares": [told]}])
    return entries


def _write(folder: Path, parts: tuple[Json, Json, Json], journal: Journal) -> list[bytes]:
    book, rules, result = parts
    file = {"format": "suanli.round.v1", "book": book, "rules": rules, "result": result}
    content = json.dumps(file).encode()
    entries = journal.entries
    (folder / "rounds").mkdir()
    name = f"{result['round_id'].replace(':', '-')}.round.json"
    (folder / "rounds" / name).write_bytes(content)
    put(folder, "rounds", [listed(book, rules, result, content)])
    put(folder, "allocations", allocations(result))
    put(folder, "offers", offers(book))
    sign(folder, entries)
    return entries


def sign(folder: Path, entries: list[bytes], signer: NoteSigner = SIGNER) -> None:
    """Write a journal with its heads, signed anew."""
    (folder / "journal.jsonl").write_bytes(b"".join(one + b"\n" for one in entries))
    heads = [head(entries, signer), head(entries[:4], signer)]
    put(folder, "heads", heads)
    (folder / "checkpoint").write_text(str(heads[0]["note"]), encoding="utf-8")


def put(folder: Path, name: str, rows: list[Json]) -> None:
    """Write one of an export's lists."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _instant(period: int) -> str:
    return datetime.fromtimestamp(period * 3600, UTC).isoformat().replace("+00:00", "Z")
