"""Whatever a solver does, a round ends in time with a result that the checker agrees with."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import timedelta

import pytest

from schemas.types import Shape, period_of
from services.core.book import Alternative, Book, BookDemand, BookOffer, Pool, Rules
from services.core.codec import book_to_dict, canonical_json, result_to_dict, rules_to_dict
from services.matching.adapters.solver import ChildSolver
from services.matching.ports import SealedRound
from suanli.checker import verify
from tests.integration.matching.desk import MARKET, START

pytestmark = pytest.mark.integration

FIRST = period_of(START) + 1


def sealed() -> SealedRound:
    """Return a round in which one demand can be served."""
    pool = Pool("bj-1/a910b", "bj-1", "beijing", "a910b", domestic=True, tflops=320)
    run = Alternative(0, (pool.key,), 2_000_000, FIRST, FIRST + 4, chips=4, chips_min=4, duration=2)
    book = Book(
        market="jjj",
        round_id="jjj:7",
        first_period=FIRST,
        periods=4,
        pools=(pool,),
        offers=(BookOffer("off_a", "p", 1, pool.key, 1_000_000, FIRST, (8, 8, 8, 8)),),
        demands=(BookDemand("dem_a", "e", 1, Shape.BLOCK, (run,)),),
    )
    content = canonical_json(book_to_dict(book))
    rules = canonical_json(rules_to_dict(Rules(effort=1)))
    return SealedRound(
        seq=7,
        round_id="jjj:7",
        market_time=START + timedelta(hours=1),
        manifest=(),
        through={},
        market=MARKET,
        book=content,
        rules=rules,
        book_digest=hashlib.sha256(content).hexdigest(),
        rules_digest=hashlib.sha256(rules).hexdigest(),
    )


def solver(failing: str) -> ChildSolver:
    """Return a solver whose child fails in a certain way."""
    command = (sys.executable, "-m", "tests.integration.matching.bad_worker", failing)
    return ChildSolver(solve_s=3.0, check_s=20.0, memory_mib=4096, command=command)


@pytest.mark.parametrize(
    ("failing", "cause"),
    [
        ("hang", "clear: no answer within 3 s"),
        ("die", "clear: died with exit code 9"),
        ("lie", "clear: "),
    ],
)
async def test_a_solver_that_fails_is_replaced_by_the_fallback_rule(
    failing: str, cause: str
) -> None:
    child = solver(failing)
    cleared = await child.clear(sealed())
    await child.close()
    assert (cleared.status, cleared.is_cleared) == ("fallback", True)
    assert cleared.cause.startswith(cause)
    assert [row.state for row in cleared.result.demands] == ["filled"]
    values = (sealed().book, sealed().rules, canonical_json(result_to_dict(cleared.result)))
    assert verify(*map(json.loads, values)).ok


@pytest.mark.parametrize(("failing", "is_verified"), [("lie_always", True), ("lie_ever", False)])
async def test_nothing_is_allocated_if_no_clearing_passes_the_checker(
    failing: str, is_verified: bool
) -> None:
    child = solver(failing)
    cleared = await child.clear(sealed())
    await child.close()
    assert (cleared.status, cleared.is_cleared) == ("fallback", False)
    assert cleared.result.allocations == ()
    assert [row.reason.code for row in cleared.result.demands] == ["not_cleared"]
    assert cleared.result.certificate.bound == 16_000_000
    values = (sealed().book, sealed().rules, cleared.result_bytes)
    assert verify(*map(json.loads, values)).ok == is_verified


async def test_the_same_sealed_round_gives_the_same_bytes_in_another_process() -> None:
    results = []
    for _ in range(2):
        child = ChildSolver(solve_s=20.0, check_s=20.0, memory_mib=6144)
        results.append(await child.clear(sealed()))
        await child.close()
    assert results[0].result_bytes == results[1].result_bytes
    assert results[0].status == "optimal"
