"""An export of all that an audit needs, and the audit of it without the exchange.

The folder is described in ``docs/reference/transparency-log.md``.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from suanli.check_booking import check_rounds
from suanli.check_capacity import check_capacity
from suanli.check_charges import premium_hours_of, says_of
from suanli.check_journal import Journal
from suanli.check_log import LogError, check_heads, read_head
from suanli.check_settlement import Booked, check_settlements
from suanli.cli import ledger_audit
from suanli.cli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from suanli.check_booking import RoundSays
    from suanli.check_journal import Outcome
    from suanli.check_log import Key
    from suanli.cli.session import Session

Json = dict[str, Any]

CHECKPOINT: Final = "checkpoint"
HEADS: Final = "heads.jsonl"
JOURNAL: Final = "journal.jsonl"
OFFERS: Final = "offers.jsonl"
ALLOCATIONS: Final = "allocations.jsonl"
ROUNDS: Final = "rounds.jsonl"
SHARES: Final = "shares.jsonl"
SETTLEMENTS: Final = "settlements.jsonl"
TERMS: Final = "terms.jsonl"
ROUND_FILES: Final = "rounds"
_ONLY_PENDING: Final = frozenset({"hold", "void", "expire"})


def export(session: Session, folder: Path) -> None:
    """Download all that `suanli audit --offline` reads.

    Raises:
        UsageProblem: if the folder holds something already.
        ApiError: if the caller is neither the regulator nor the operator.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageProblem("DIR", str(folder), ("a new or an empty folder", "新目录或空目录"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ROUND_FILES).mkdir()
    client = session.client
    # The head first, the entries later: all that it covers is then among them.
    (folder / CHECKPOINT).write_bytes(client.download("/v1/log/checkpoint"))
    _write(folder / HEADS, client.pages("/v1/log/heads"))
    count = 0
    with (folder / JOURNAL).open("wb") as file:
        for item in client.pages("/v1/journal"):
            file.write(str(item["entry"]).encode() + b"\n")
            count += 1
    _write(folder / ALLOCATIONS, client.pages("/v1/allocations"))
    offers = ledger_audit.offers(session)
    _write(folder / OFFERS, ({"offer": offer, "versions": terms} for offer, terms in offers))
    rounds = [item for item in client.pages("/v1/rounds") if item["file"]["state"] == "ok"]
    for item in rounds:
        round_id = str(item["round_id"])
        content = client.download(f"/v1/rounds/{round_id}/file")
        round_file(folder, round_id).write_bytes(content)
    _write(folder / ROUNDS, rounds)
    _write(folder / SHARES, client.pages("/v1/shares"))
    # After the journal: each of its entries then has its settlement here.
    _write(folder / SETTLEMENTS, client.pages("/v1/settlements"))
    _write(folder / TERMS, client.pages("/v1/settlement-terms"))
    session.note(
        (
            f"{count} entries and {len(rounds)} rounds in {folder}.",
            f"已导出 {count} 条条目与 {len(rounds)} 个轮次至 {folder}。",
        )
    )


def round_file(folder: Path, round_id: str) -> Path:
    """Return where a round's file is in an export."""
    return folder / ROUND_FILES / f"{round_id.replace(':', '-')}.round.json"


def shares_of(folder: Path) -> dict[str, list[Json]] | None:
    """Return what was told of domestic shares, by round; ``None`` if the export is older than that.

    Raises:
        UsageProblem: if the folder is no whole export.
    """
    path = folder / SHARES
    if not path.exists():
        return None
    with _reading(folder):
        return {str(item["round_id"]): list(item["shares"]) for item in _lines(path)}


def rounds_of(folder: Path) -> Iterator[tuple[Json, bytes]]:
    """Yield each round of an export as it was listed, with its file.

    Raises:
        UsageProblem: if the folder is no whole export.
    """
    with _reading(folder):
        for item in _lines(folder / ROUNDS):
            yield item, round_file(folder, str(item["round_id"])).read_bytes()


def run(
    folder: Path, key: Key, witnesses: Sequence[Key], needed: int | None = None
) -> list[Outcome]:
    """Check the ledger of an export.

    Args:
        folder: The export.
        key: The log's key.
        witnesses: Witnesses that must have cosigned the checkpoint.
        needed: How many of them must have; all if left out.

    Raises:
        UsageProblem: if the folder is no whole export.
    """
    with _reading(folder):
        listed = list(_lines(folder / HEADS))
        heads = check_heads(listed, key)
        roots = {int(item["size"]): str(item["root"]) for item in listed}
        _add_checkpoint(folder, roots, heads, (key, witnesses, needed))
        journal = Journal(roots)
        with (folder / JOURNAL).open("rb") as file:
            for line in file:
                journal.add(journal.size, line.removesuffix(b"\n"))
        outcomes = journal.outcomes()
        outcomes.insert(1, heads)
        pairs = ((item["offer"], item["versions"]) for item in _lines(folder / OFFERS))
        allocations = list(_lines(folder / ALLOCATIONS))
        outcomes.extend(check_capacity(allocations, pairs))
        booked, premiums = Booked(), dict[str, dict[str, int]]()
        entries, says = booked.watch(_settling(folder)), _verified(folder, premiums)
        outcomes.append(check_rounds(entries, says, allocations))
        if (folder / SETTLEMENTS).exists():
            told, terms = _lines(folder / SETTLEMENTS), list(_lines(folder / TERMS))
            place = (booked, journal.size)
            outcomes.append(check_settlements(told, allocations, terms, premiums, place))
    return outcomes


def _settling(folder: Path) -> Iterator[tuple[int, Json]]:
    """Yield the entries that may settle; what is no entry, the journal's check names."""
    with (folder / JOURNAL).open("rb") as file:
        for index, line in enumerate(file):
            # A look at the bytes spares reading most entries once more.
            if (
                b'"escrow:' in line
                or b'"fees:' in line
                or b'"penalties:' in line
                or b'"premiums:' in line
                or b'"policy:' in line
                # It goes from one participant to another.
                or b'"purpose":"compensation"' in line
            ):
                with suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    if entry["kind"] not in _ONLY_PENDING and entry["postings"]:
                        yield index, entry


def _verified(folder: Path, premiums: dict[str, dict[str, int]]) -> Iterator[RoundSays]:
    """Yield what each round's file says, and put its premiums by the hour beside.

    A file that breaks a rule is a problem of the rounds.
    """
    for item, content in rounds_of(folder):
        with suppress(ValueError, KeyError, TypeError, IndexError):
            file, round_id = json.loads(content), str(item["round_id"])
            says = replace(says_of(file), round_id=round_id)
            premiums.update(premium_hours_of(file))
            yield says


def _add_checkpoint(
    folder: Path,
    roots: dict[int, str],
    heads: Outcome,
    keys: tuple[Key, Sequence[Key], int | None],
) -> None:
    """Check the checkpoint and its cosignatures; its root must be that of the entries too."""
    key, witnesses, needed = keys
    heads.checked += 1
    try:
        head = read_head((folder / CHECKPOINT).read_text(encoding="utf-8"), key, witnesses)
    except (LogError, UnicodeDecodeError) as error:
        heads.add(f"checkpoint: {error}")
        return
    if roots.setdefault(head.size, head.root.hex()) != head.root.hex():
        heads.add(f"checkpoint of size {head.size}: another head of that size has another root")
    cosigned = {name for name, _ in head.witnesses}
    if needed is not None:
        if len(cosigned) < needed:
            heads.add(
                f"checkpoint of size {head.size}: must be cosigned by {needed} of "
                f"{len(witnesses)} witnesses, was by {len(cosigned)}: it is not final"
            )
        return
    for witness in witnesses:
        if witness.name not in cosigned:
            heads.add(f"checkpoint of size {head.size}: must be cosigned by {witness.name}")


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageProblem(
            "--offline",
            f"{folder}: {error!r}"[:300],
            ("a folder that `suanli log export` made", "由 `suanli log export` 生成的目录"),
        ) from error


def _lines(path: Path) -> Iterator[Json]:
    with path.open("rb") as file:
        yield from map(json.loads, file)


def _write(path: Path, items: Iterable[Json]) -> None:
    with path.open("wb") as file:
        for item in items:
            _line(file, item)


def _line(file: BinaryIO, item: Json) -> None:
    file.write(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
