"""What the owner of the database can do to the log with every guard switched off, and who finds it.

Each case works on a booked market day, as the superuser, without triggers, keys and checks. The
scrubber names the exact entry; where all that the database holds was made to agree, the signed
heads do not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio

from schemas.codec import decode
from schemas.events import FindingRaised
from services.core.tlog.tiles import grow
from services.kit.outbox import headers_from_json
from services.kit.postgres import Pool, acquire_lease
from services.kit.signing import NoteSigner
from services.ledger.adapters.postgres import LEASE, PostgresStore
from services.ledger.adapters.tree_log import PostgresTreeLog
from services.ledger.publisher import Publisher
from services.ledger.scrubber import Scrubber
from services.ledger.settings import LedgerSettings
from tests.conftest import Stack
from tests.integration.ledger.conftest import ORIGIN
from tests.integration.ledger.test_audit import SWAP, fill
from tests.integration.ledger.test_publisher import as_superuser

pytestmark = pytest.mark.integration


NO_CHECKS = """
DO $$ DECLARE c record; BEGIN
  FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND contype = 'c'
    AND coninhcount = 0 LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
  END LOOP;
END $$;
"""


@dataclass
class Day:
    """A booked and signed market day, and who looks at it."""

    owner: asyncpg.Connection
    superuser: asyncpg.Connection
    tree: PostgresTreeLog
    publisher: Publisher
    scrubber: Scrubber
    signer: NoteSigner

    async def tamper(self, statement: str) -> None:
        await as_superuser(self.superuser, self.owner, NO_CHECKS + statement)

    async def forge(self, index: int, change: str, *, tiles: bool = False) -> None:
        """Change an entry's rows and its commitment, and the tree if asked."""
        await self.tamper(
            f"{change}; UPDATE leaf AS l SET entry = substr(l.entry, 1, 15) || sha256(e.opening) "  # noqa: S608
            f"FROM journal_entry AS e WHERE e.idx = l.idx AND l.idx = {index}"
        )
        if tiles:
            rows = await self.owner.fetch("SELECT hash FROM leaf ORDER BY idx")
            made = grow(0, {}, [row["hash"] for row in rows])
            (hashes,) = made.values()
            await self.tamper(f"UPDATE tree_tile SET hashes = '\\x{hashes.hex()}'")  # noqa: S608

    async def findings(self) -> list[FindingRaised]:
        rows = await self.owner.fetch("SELECT headers, value FROM outbox WHERE topic = 'findings'")
        found = []
        for row in rows:
            data = decode(row["value"], headers_from_json(row["headers"])).data
            assert isinstance(data, FindingRaised)
            found.append(data)
        return found


@pytest_asyncio.fixture
async def day(
    stack: Stack, settings: LedgerSettings, schema: str, owner: asyncpg.Connection, pool: Pool
) -> AsyncIterator[Day]:
    if not stack.superuser_dsn:
        pytest.skip("the superuser of an external database is not known")
    epoch = await acquire_lease(pool, LEASE, "test", 60)
    assert epoch is not None
    await fill(PostgresStore(pool, epoch))
    tree = PostgresTreeLog(pool, epoch, ORIGIN)
    signer = NoteSigner.generate(ORIGIN)
    publisher = Publisher(tree, signer, None)
    head = await publisher.beat()
    assert head is not None
    assert head.size == 11
    scrubber = Scrubber(settings.postgres_dsn, schema, tree.raise_finding)
    assert list(await scrubber.step()) == []
    superuser = await asyncpg.connect(stack.superuser_dsn)
    yield Day(owner, superuser, tree, publisher, scrubber, signer)
    await superuser.close()


@pytest.mark.parametrize(
    ("statement", "problems"),
    [
        # An amount in the rows alone: the leaf commits to another.
        (
            "UPDATE transfer SET amount = amount + 1 WHERE leaf_idx = 4",
            ["leaf 4: its rows are not what it commits to"],
        ),
        (
            "UPDATE leaf SET credit_posted = credit_posted * 2 WHERE idx = 0",
            ["leaf 0: its rows are not what it commits to"],
        ),
        (
            "UPDATE leaf SET opening = sha256(opening) WHERE idx = 5",
            ["leaf 5: its rows are not what it commits to"],
        ),
        (
            "UPDATE leaf SET entry = substr(entry, 1, 15) || sha256('x') WHERE idx = 6",
            [
                "leaf 6: its rows are not what it commits to",
                "leaf 6: its hash is not the one in the tree",
            ],
        ),
        ("UPDATE leaf SET opening = NULL WHERE idx = 1",
         ["leaf 1: its opening is gone, and no reason is given"]),
        ("DELETE FROM leaf WHERE idx = 3", ["leaf 3 is missing, the next is 4"]),
        (SWAP, ["leaf 2: ", "leaf 3: "]),
        ("DELETE FROM leaf WHERE idx >= 7", ["leaf 7 is missing, and all up to 10"]),
        ("DELETE FROM transfer WHERE leaf_idx = 10", ["leaf 10: no transfer has it"]),
    ],
)  # fmt: skip
async def test_the_scrubber_names_the_entry_that_was_touched(
    day: Day, statement: str, problems: list[str]
) -> None:
    await day.tamper(statement)
    found = await day.scrubber.step()
    for problem in problems:
        assert any(text.startswith(problem) for text in found), found
    # Nor is another entry blamed.
    touched = {problem.split()[1].rstrip(":") for problem in problems}
    assert {text.split()[1].rstrip(":") for text in found if text[:4] == "leaf"} == touched, found
    told = await day.findings()
    assert [finding.summary.code for finding in told] == ["settle.log_changed"] * len(told)
    assert {finding.problems[0].split("changed: ")[1] for finding in told} == set(found)
    # The same again is told once.
    await day.scrubber.step()
    assert len(await day.findings()) == len(told)


async def test_what_is_read_in_steps_is_found_at_its_place_and_begins_anew(
    day: Day, settings: LedgerSettings, schema: str
) -> None:
    await day.tamper("DELETE FROM transfer WHERE leaf_idx = 6")
    scrubber = Scrubber(settings.postgres_dsn, schema, day.tree.raise_finding, leaves=4)
    for _ in range(2):
        steps = [list(await scrubber.step()) for _ in range(3)]
        assert steps == [[], ["leaf 6: no transfer has it"], []]
    assert len(await day.findings()) == 1


async def test_an_entry_that_was_forged_with_its_hashes_is_not_the_one_in_the_tree(
    day: Day,
) -> None:
    await day.forge(0, "UPDATE transfer SET amount = amount * 2 WHERE leaf_idx = 0")
    found = await day.scrubber.step()
    of_leaves = [text for text in found if text.startswith("leaf ")]
    assert of_leaves == ["leaf 0: its hash is not the one in the tree"]


async def test_a_tree_that_was_made_anew_over_a_forged_entry_has_not_the_signed_root(
    day: Day,
) -> None:
    await day.forge(2, "UPDATE leaf SET opening = sha256('x') WHERE idx = 2", tiles=True)
    found = await day.scrubber.step()
    assert any(text.startswith("signed head 11: root is") for text in found), found
    # And nothing is signed any more.
    await day.tamper(
        "INSERT INTO leaf (idx, debit_version, credit_version, entry, opening) "
        "SELECT 11, debit_version, credit_version, entry, opening FROM leaf WHERE idx = 10"
    )
    assert await day.publisher.beat() is None
    assert "an extension of the head of size 11" in day.publisher.refused
    codes = {finding.summary.code for finding in await day.findings()}
    assert codes == {"settle.log_changed", "settle.log_refused"}


async def test_a_hole_stops_the_signing(day: Day) -> None:
    await day.tamper(
        "INSERT INTO leaf (idx, debit_version, credit_version, entry, opening) "
        "SELECT 12, debit_version, credit_version, entry, opening FROM leaf WHERE idx = 10"
    )
    assert await day.publisher.beat() is None
    assert "leaf 11 must be there" in day.publisher.refused
