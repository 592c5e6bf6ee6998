"""The ledger, checked from outside: its journal, byte for byte, and what rounds allocated.

Standard library alone. Nothing that the exchange says about its journal is taken for granted:
hashes, sums, balances, holds and capacity are worked out again from the entries, as
``docs/reference/journal.md`` states them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
Cell = tuple[str, str]

# Leaves of version 2: the log holds this, then SHA-256 of the salted entry.
_TAG: Final = b"suanli.leaf.v2\n"

_PROBLEMS_MAX: Final = 20
_LAYERS: Final = ("posted", "pending")
# Kind -> sign of what it books in each layer, of its amount or of what the hold had.
_ELSEWHERE: Final = frozenset({"capacity", "heads"})
_RESOLVES: Final = frozenset({"post", "void", "expire"})
_MAY_OWE: Final = ("bank", "debt:")

CHECKS: Final[dict[str, tuple[str, str]]] = {
    "log": (
        "log consistent: every entry is in it once, roots match the published heads",
        "日志一致:每个条目恰有一次,根与公布的检查点相符",
    ),
    "heads": (
        "every published head is signed by the log's key",
        "每个公布的检查点都由日志密钥签名",
    ),
    "sums": ("sums are zero in every entry and layer", "每个条目各层合计为零"),
    "balances": (
        "every balance is the sum of its postings, without a gap",
        "每个余额等于其分录之和,序号无缺口",
    ),
    "free": ("no negative free balance, holds counted", "计入冻结后无负的可用余额"),
    "holds": (
        "every hold resolved at most once, for no more than it held",
        "每笔冻结至多处理一次且不超额",
    ),
    "capacity": ("no oversold period", "没有超卖的时段"),
}
"""Code of a check -> the promise in English and Chinese."""


@dataclass
class Outcome:
    """What became of one check.

    Attributes:
        code: Key of `CHECKS`.
        checked: How many things were looked at.
        problems: What breaks it, at most 20.
    """

    code: str
    checked: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return whether the promise is kept."""
        return not self.problems

    def add(self, problem: str) -> None:
        """Note what breaks it."""
        if len(self.problems) < _PROBLEMS_MAX:
            self.problems.append(problem)


class Tree:
    """The hash tree of RFC 6962 (section 2.1) over entries as they come."""

    def __init__(self) -> None:
        self.size = 0
        self._nodes: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append a leaf hash."""
        node, full = leaf, self.size
        while full & 1:
            node = hashlib.sha256(b"\x01" + self._nodes.pop() + node).digest()
            full >>= 1
        self._nodes.append(node)
        self.size += 1

    def root(self) -> str:
        """Return the root, hexadecimal."""
        if not self._nodes:
            return hashlib.sha256(b"").hexdigest()
        node = self._nodes[-1]
        for left in reversed(self._nodes[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node.hex()


class Journal:
    """Checks entries in the order of the log; ask for `outcomes` at the end.

    Args:
        heads: Size -> root, hexadecimal, of the heads that were published.
    """

    def __init__(self, heads: Mapping[int, str]) -> None:
        self._heads = dict(heads)
        self._tree = Tree()
        self._found = {code: Outcome(code) for code in CHECKS if code not in _ELSEWHERE}
        self._balance: dict[Cell, int] = {}
        self._version: dict[str, int] = {}
        self._units: dict[str, str] = {}
        # Hold -> what it holds, 0 once it is resolved.
        self._holds: dict[str, int] = {}
        self._ids: set[str] = set()

    @property
    def size(self) -> int:
        """Return how many entries were checked."""
        return self._tree.size

    @property
    def root(self) -> str:
        """Return the root over them."""
        return self._tree.root()

    def add(self, leaf_index: int, content: bytes) -> None:
        """Check the next entry.

        Args:
            leaf_index: Its place, as the exchange says.
            content: Its canonical bytes.
        """
        log, where = self._found["log"], f"entry {self._tree.size}"
        if leaf_index != self._tree.size:
            log.add(f"{where}: missing, the next is {leaf_index}")
        try:
            entry = json.loads(content)
            salted = "salt" in entry
        except (ValueError, TypeError, RecursionError):
            entry, salted = None, False
        self._tree.add(leaf_of(content, salted=salted))
        log.checked += 1
        told = self._heads.pop(self._tree.size, None)
        if told is not None and told != self._tree.root():
            log.add(f"head of size {self._tree.size}: root is {told}, the entries give another")
        try:
            self._entry(where, entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.add(f"{where}: not a journal entry ({type(error).__name__})")

    def outcomes(self) -> list[Outcome]:
        """Return what was found, once all entries were added."""
        log = self._found["log"]
        for size in sorted(self._heads):
            log.add(f"head of size {size}: is beyond the {self._tree.size} entries")
        self._heads.clear()
        self._found["balances"].checked = len(self._version)
        self._found["free"].checked = len(self._version)
        self._found["holds"].checked = len(self._holds)
        return list(self._found.values())

    def _entry(self, where: str, entry: Any) -> None:  # noqa: ANN401 - whatever JSON there was
        log, entry_id, kind = self._found["log"], str(entry["entry_id"]), str(entry["kind"])
        if entry["leaf_index"] != self._tree.size - 1:
            log.add(f"{where}: says that it is entry {entry['leaf_index']}")
        if entry_id in self._ids:
            log.add(f"{where}: {entry_id} is there twice")
        self._ids.add(entry_id)
        held = self._resolved(where, entry, kind)
        self._sums(where, entry, kind, held)
        for posting in entry["postings"]:
            self._posting(where, posting, str(entry["unit"]))
        for account in dict.fromkeys(str(posting["account"]) for posting in entry["postings"]):
            self._free(where, account)

    def _resolved(self, where: str, entry: Json, kind: str) -> int:
        """Check what happens to holds; return what the resolved hold held."""
        holds = self._found["holds"]
        if kind == "hold":
            self._holds[str(entry["entry_id"])] = int(entry["amount"])
        if kind not in _RESOLVES:
            return 0
        hold = str(entry["pending_id"])
        held = self._holds.get(hold, 0)
        if not held:
            holds.add(f"{where}: hold {hold} is unknown or resolved before")
        if int(entry["amount"]) > held:
            holds.add(f"{where}: takes {entry['amount']} of a hold of {held}")
        self._holds[hold] = 0
        return held

    def _sums(self, where: str, entry: Json, kind: str, held: int) -> None:
        sums = self._found["sums"]
        sums.checked += 1
        amount = int(entry["amount"])
        wanted = {
            "posted": amount if kind in {"single", "post", "reversal"} else 0,
            "pending": held if kind in _RESOLVES else amount if kind == "hold" else 0,
        }
        for layer in _LAYERS:
            rows = [int(p["amount"]) for p in entry["postings"] if p["layer"] == layer]
            # What nearly every entry is: two sides of the same amount, or none.
            if rows == [wanted[layer], -wanted[layer]] or (not rows and not wanted[layer]):
                continue
            if sum(rows):
                sums.add(f"{where}: {layer} sums to {sum(rows)}")
            if sorted(map(abs, rows)) != [wanted[layer]] * (2 if wanted[layer] else 0):
                sums.add(f"{where}: {layer} must move {wanted[layer]}, was {rows}")

    def _posting(self, where: str, posting: Json, unit: str) -> None:
        balances, account = self._found["balances"], str(posting["account"])
        cell = (account, str(posting["layer"]))
        self._balance[cell] = self._balance.get(cell, 0) + int(posting["amount"])
        if self._balance[cell] != posting["balance_after"]:
            balances.add(
                f"{where}: {account} {cell[1]} is {self._balance[cell]} by its postings, "
                f"said {posting['balance_after']}"
            )
        version = self._version[account] = self._version.get(account, 0) + 1
        if posting.get("account_version", version) != version:
            balances.add(f"{where}: {account} has posting {version}, said "
                         f"{posting['account_version']}")  # fmt: skip
        if self._units.setdefault(account, unit) != unit:
            balances.add(f"{where}: {account} is in {self._units[account]}, was {unit}")

    def _free(self, where: str, account: str) -> None:
        # Debits are positive: money is a negative balance, and a hold is a debit to come.
        posted = self._balance.get((account, "posted"), 0)
        reserved = max(0, self._balance.get((account, "pending"), 0))
        if -posted - reserved < 0 and not account.startswith(_MAY_OWE):
            self._found["free"].add(f"{where}: {account} has {-posted - reserved} free")


def check_capacity(
    allocations: Iterable[Json], offers: Iterable[tuple[Json, list[Json]]]
) -> Outcome:
    """Check that no hour of an offer was given out beyond what the offer ever had in it.

    Args:
        allocations: As ``/v1/allocations`` lists them.
        offers: Each offer as ``/v1/offers`` lists it, with all terms that it had.
    """
    outcome = Outcome("capacity")
    given: dict[str, dict[str, int]] = {}
    pools: dict[str, set[str]] = {}
    for item in allocations:
        pools.setdefault(item["offer_id"], set()).add(item["pool"])
        hours = given.setdefault(item["offer_id"], {})
        for period in item["periods"]:
            hour = _hour(period["start"])
            hours[hour] = hours.get(hour, 0) + int(period["chips"])
    for offer, versions in offers:
        offer_id = offer["order_id"]
        offered = {f"{terms['zone']}/{terms['chip']}" for terms in versions}
        for pool in sorted(pools.get(offer_id, set()) - offered):
            outcome.add(f"{offer_id}: allocated in {pool}, which it never offered")
        for hour, chips in given.pop(offer_id, {}).items():
            most = max((int(t["chips"]) for t in versions if _covers(t, hour)), default=0)
            outcome.checked += 1
            if chips > most:
                outcome.add(f"{offer_id} {hour}: {chips} chips given, offered {most}")
    for offer_id in sorted(given):
        outcome.add(f"{offer_id}: allocated, but there is no such offer")
    return outcome


def leaf_of(content: bytes, *, salted: bool) -> bytes:
    """Return the leaf hash of an entry's canonical bytes.

    Args:
        content: The bytes.
        salted: Whether they have a salt, so that the log holds a commitment to them.
    """
    logged = _TAG + hashlib.sha256(content).digest() if salted else content
    return hashlib.sha256(b"\x00" + logged).digest()


def entries_of(pages: Iterable[Json]) -> Iterator[tuple[int, bytes]]:
    """Yield (leaf index, bytes) of entries as ``/v1/journal`` lists them."""
    for item in pages:
        yield int(item["leaf_index"]), str(item["entry"]).encode()


def _hour(text: str) -> str:
    return text.replace("+00:00", "Z")


def _covers(terms: Json, hour: str) -> bool:
    return _hour(terms["start"]) <= hour < _hour(terms["end"])
