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

# Leaves of version 2: the log holds this, then SHA-256 of the salted entry.
_TAG: Final = b"suanli.leaf.v2\n"

_PROBLEMS_MAX: Final = 20
_FAULTS_MAX: Final = 1_000
_NTH: Final = "version"
# Key of `Account.off`: postings of erased entries that were passed and whose sum is not known yet.
_BLIND: Final = "erased"
_ERASED_POSTINGS: Final = 2
_LAYERS: Final = ("posted", "pending")
# What other functions look at.
_ELSEWHERE: Final = frozenset({"capacity", "heads", "resales", "rounds", "settlements", "shared"})
_RESOLVES: Final = frozenset({"post", "void", "expire"})
_MAY_OWE: Final = ("bank", "debt:", "premiums:")

CHECKS: Final[dict[str, tuple[str, str]]] = {
    "log": (
        "log consistent: every entry is in it once, roots match the published heads",
        "日志一致:每个条目恰有一次,根与公布的检查点相符",
    ),
    "heads": (
        "every published head is signed by the log's key",
        "每个公布的检查点都由日志密钥签名",
    ),
    "erased": (
        "every erased entry is still the leaf that the log holds",
        "每个已抹除条目仍为日志中的同一叶",
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
    "shared": (
        "no chip that offers share is sold twice, over all markets",
        "各市场合计,共享容量没有一卡被售出两次",
    ),
    "resales": (
        "every resale is of hours that its seller bought, through eight sales at most",
        "每笔转售均为卖方已买到的时段,且至多经八次买卖",
    ),
    "rounds": (
        "every round is booked as its verified file says, and escrow pays out no more",
        "每一轮按其已核验文件入账,托管支出不超过其收入",
    ),
    "settlements": (
        "every settlement is what was delivered comes to, hour by hour, and is booked so",
        "每笔结算逐时段与交付相符,并照此入账",
    ),
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
    """The hash tree of RFC 6962 (section 2.1) over entries as they come.

    Args:
        size: Entries that are in it already.
        nodes: Roots of the perfect subtrees that those are made of, largest first.
    """

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._nodes = list(nodes)
        assert len(self._nodes) == size.bit_count(), "one node per set bit of the size"

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """Return the roots of the perfect subtrees, largest first."""
        return tuple(self._nodes)

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


@dataclass
class Account:
    """What the postings so far make of an account.

    Attributes:
        unit: Unit of its amounts.
        version: How many postings it has.
        sums: Layer -> sum of its postings.
        off: Layer, or ``version`` -> by how much the last entry said otherwise. A difference is a
            problem where it begins, not in every entry after it.
    """

    unit: str = ""
    version: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    off: dict[str, int] = field(default_factory=dict)


@dataclass
class Books:
    """What a journal is checked against: all that the entries so far left behind.

    Whoever keeps it elsewhere loads what `named_in` says of the next entries.

    Attributes:
        accounts: By name.
        holds: Open hold -> what it holds; 0 once it is resolved.
        ids: Entries that were there.
        unseen: Postings of erased entries that no gap in an account's versions has shown yet. An
            erased entry had two, one on each of two accounts.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    unseen: int = 0


@dataclass(frozen=True)
class Fault:
    """A problem with an entry or a head, for a program.

    Attributes:
        code: Key of `CHECKS`.
        index: Place of the entry; of a head, its size.
        text: What is wrong, as in the outcome.
        account: The account that it is about, if it is about one.
    """

    code: str
    index: int
    text: str
    account: str = ""


class Journal:
    """Checks entries in the order of the log; ask for `outcomes` at the end.

    Args:
        heads: Size -> root, hexadecimal, of the heads that were published.
        tree: Tree of the entries before, if these are not the first.
        books: What those left behind.

    Attributes:
        faults: All that was found so far, at most 1,000.
        told: Size -> whether its head fits, of the heads that were passed.
    """

    def __init__(
        self, heads: Mapping[int, str], tree: Tree | None = None, books: Books | None = None
    ) -> None:
        self.faults: list[Fault] = []
        self.told: dict[int, bool] = {}
        self._heads = dict(heads)
        self._tree = tree or Tree()
        self._books = books or Books()
        self._found = {code: Outcome(code) for code in CHECKS if code not in _ELSEWHERE}

    @property
    def size(self) -> int:
        """Return how many entries there are up to here."""
        return self._tree.size

    @property
    def root(self) -> str:
        """Return the root over them."""
        return self._tree.root()

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """Return the perfect subtrees over them, as `Tree` takes them."""
        return self._tree.nodes

    def add(self, leaf_index: int, content: bytes, read: tuple[Any, bytes] | None = None) -> None:
        """Check the next entry.

        Args:
            leaf_index: Its place, as the exchange says.
            content: Its canonical bytes.
            read: What `read_entry` makes of them, if that is known already.
        """
        size = self._tree.size
        self._found["log"].checked += 1
        if leaf_index != size:
            self._note("log", size, f"missing, the next is {leaf_index}")
        entry, leaf = read or read_entry(content)
        self._tree.add(leaf)
        self._head(self._tree.size)
        try:
            self._entry(size, entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._note("log", size, f"not a journal entry ({type(error).__name__})")

    def outcomes(self) -> list[Outcome]:
        """Return what was found, once all entries were added.

        Of an erased entry only the leaf can be checked; balances go on behind it from what the next
        entry of its accounts says.
        """
        log, accounts = self._found["log"], self._books.accounts
        for size in sorted(self._heads):
            log.add(f"head of size {size}: is beyond the {self._tree.size} entries")
        self._heads.clear()
        self._found["balances"].checked = len(accounts)
        self._found["free"].checked = len(accounts)
        self._found["holds"].checked = len(self._books.holds)
        return list(self._found.values())

    def _note(self, code: str, index: int, what: str, account: str = "") -> None:
        text = f"entry {index}: {what}"
        self._found[code].add(text)
        if len(self.faults) < _FAULTS_MAX:
            self.faults.append(Fault(code, index, text, account))

    def _head(self, size: int) -> None:
        told = self._heads.pop(size, None)
        if told is None:
            return
        self.told[size] = told == self._tree.root()
        if not self.told[size]:
            self._found["log"].add(f"head of size {size}: root is {told}, the entries give another")

    def _erased(self, index: int, entry: Any) -> None:  # noqa: ANN401 - whatever JSON there was
        """Take in what stands in the place of an erased entry; its leaf is in the tree already."""
        self._found["erased"].checked += 1
        if entry["leaf_index"] != index:
            self._note("erased", index, f"says that it is entry {entry['leaf_index']}")
        entry_id = str(entry["entry_id"])
        if entry_id in self._books.ids:
            self._note("erased", index, f"{entry_id} is there twice")
        self._books.ids.add(entry_id)
        self._books.unseen += _ERASED_POSTINGS

    def _entry(self, index: int, entry: Any) -> None:  # noqa: ANN401 - whatever JSON there was
        if is_erased(entry):
            self._erased(index, entry)
            return
        entry_id, kind = str(entry["entry_id"]), str(entry["kind"])
        if entry["leaf_index"] != index:
            self._note("log", index, f"says that it is entry {entry['leaf_index']}")
        if entry_id in self._books.ids:
            self._note("log", index, f"{entry_id} is there twice")
        self._books.ids.add(entry_id)
        held = self._resolved(index, entry, kind)
        self._sums(index, entry, kind, held)
        for posting in entry["postings"]:
            self._posting(index, posting, str(entry["unit"]))
        for account in dict.fromkeys(str(posting["account"]) for posting in entry["postings"]):
            self._free(index, account)

    def _resolved(self, index: int, entry: Json, kind: str) -> int:
        """Check what happens to holds; return what the resolved hold held."""
        holds = self._books.holds
        if kind == "hold":
            # Where amount and postings differ, which is a problem of this entry alone, two equal
            # sides outvote the amount.
            sides = [int(row["amount"]) for row in entry["postings"] if row["layer"] == "pending"]
            is_pair = len(sides) == 2 and sides[0] == -sides[1]
            held = abs(sides[0]) if is_pair else int(entry["amount"])
            holds[str(entry["entry_id"])] = held
        if kind not in _RESOLVES:
            return 0
        hold = str(entry["pending_id"])
        held = holds.get(hold, 0)
        if not held:
            self._note("holds", index, f"hold {hold} is unknown or resolved before")
        if int(entry["amount"]) > held:
            self._note("holds", index, f"takes {entry['amount']} of a hold of {held}")
        holds[hold] = 0
        return held

    def _sums(self, index: int, entry: Json, kind: str, held: int) -> None:
        self._found["sums"].checked += 1
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
                self._note("sums", index, f"{layer} sums to {sum(rows)}")
            if sorted(map(abs, rows)) != [wanted[layer]] * (2 if wanted[layer] else 0):
                self._note("sums", index, f"{layer} must move {wanted[layer]}, was {rows}")

    def _posting(self, index: int, posting: Json, unit: str) -> None:
        name, layer = str(posting["account"]), str(posting["layer"])
        account = self._books.accounts.get(name)
        if account is None:
            account = self._books.accounts[name] = Account(unit)
        account.version += 1
        numbered = int(posting.get("account_version", account.version + account.off.get(_NTH, 0)))
        self._pass_erased(account, numbered)
        said = int(posting["balance_after"])
        if layer == "posted" and account.off.pop(_BLIND, 0):
            # Erased entries moved what is posted, by what nobody knows any more.
            account.sums[layer] = said - account.off.get(layer, 0) - int(posting["amount"])
        total = account.sums[layer] = account.sums.get(layer, 0) + int(posting["amount"])
        if said - total != account.off.get(layer, 0):
            account.off[layer] = said - total
            if said != total:
                what = f"{name} {layer} is {total} by its postings, said {said}"
                self._note("balances", index, what, name)
        if numbered - account.version != account.off.get(_NTH, 0):
            account.off[_NTH] = numbered - account.version
            if numbered != account.version:
                what = f"{name} has posting {account.version}, said {numbered}"
                self._note("balances", index, what, name)
        if account.unit != unit:
            self._note("balances", index, f"{name} is in {account.unit}, was {unit}", name)

    def _pass_erased(self, account: Account, numbered: int) -> None:
        """Count postings that are missing in an account's versions as those of erased entries."""
        gap = numbered - account.version - account.off.get(_NTH, 0)
        if 0 < gap <= self._books.unseen:
            self._books.unseen -= gap
            account.version += gap
            account.off[_BLIND] = account.off.get(_BLIND, 0) + gap

    def _free(self, index: int, name: str) -> None:
        # Debits are positive: money is a negative balance, and a hold is a debit to come.
        account = self._books.accounts[name]
        if _BLIND in account.off:
            return
        sums = account.sums
        posted, reserved = sums.get("posted", 0), max(0, sums.get("pending", 0))
        if -posted - reserved < 0 and not name.startswith(_MAY_OWE):
            self._note("free", index, f"{name} has {-posted - reserved} free", name)


def read_entry(content: bytes) -> tuple[Any, bytes]:
    """Return (what an entry says, its leaf hash); of what is no JSON, ``None`` and its hash.

    What stands in the place of an erased entry has the leaf hash of what it was.
    """
    try:
        entry = json.loads(content)
        salted = "salt" in entry
        if is_erased(entry):
            logged = _TAG + bytes.fromhex(entry["commitment"])
            return entry, hashlib.sha256(b"\x00" + logged).digest()
    except (ValueError, TypeError, RecursionError):
        entry, salted = None, False
    return entry, leaf_of(content, salted=salted)


def is_erased(entry: Any) -> bool:  # noqa: ANN401 - whatever JSON there was
    """Return whether this stands in the place of an erased entry."""
    return isinstance(entry, dict) and "commitment" in entry


def named_in(entries: Iterable[Any]) -> tuple[set[str], set[str], set[str]]:
    """Return the accounts, the holds and the entry ids that entries name.

    Args:
        entries: As `read_entry` returns them.
    """
    accounts: set[str] = set()
    holds: set[str] = set()
    ids: set[str] = set()
    for entry in entries:
        if isinstance(entry, dict):
            accounts.update(str(posting["account"]) for posting in entry.get("postings", ()))
            holds.add(str(entry.get("pending_id")))
            ids.add(str(entry.get("entry_id")))
    return accounts, holds, ids


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
