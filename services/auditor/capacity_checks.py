"""Chips that rounds gave out against what there was: of an offer, a resource, a purchase."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.auditor.awaited import Awaited
from services.auditor.journal_state import Found
from suanli.check_capacity import Given, Sales, capacity_of, check_resale, hours_of, resale_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.auditor.journal_state import CapacityStore, JournalChanges, RoundAudit
    from services.auditor.ports import MeasuredLog
    from services.kit.records import Positions
    from suanli.check_capacity import Bought

Json = dict[str, Any]
Sold = tuple[Json, str]
"""(resale, allocation that it sells on)."""


class CapacityChecks:
    """Compares what rounds gave out with what there was, over all markets.

    Args:
        store: Where both are kept.
        log: Tells how far the topics go.
    """

    def __init__(self, store: CapacityStore, log: MeasuredLog) -> None:
        self._store = store
        self._awaited = Awaited(log, ["allocations"])

    async def compare(
        self,
        row: RoundAudit,
        made: Sequence[Json],
        changes: JournalChanges,
        positions: Positions,
    ) -> tuple[RoundAudit, list[Found]]:
        """Compare a round whose allocations were all told and are kept.

        Args:
            row: The round.
            made: Its allocations, as their topic told them.
            changes: What this batch brings, which is not kept yet.
            positions: What was read.

        Returns:
            The round, compared if what it needs is there, and what was found.
        """
        ends = row.offers_through or ()
        if any(positions.get(("offers", part), 0) < end for part, end in ends) or changes.offers:
            # The offers that it had read are not kept yet.
            return row, []
        terms = await self._store.offers({str(item["offer_id"]) for item in made})
        resales = [
            (item, source)
            for item in made
            if (source := resale_of(terms.get(str(item["offer_id"]), ()))) is not None
        ]
        sources = await self._store.bought({source for _, source in resales})
        is_missing = any(source not in sources for _, source in resales)
        is_unkept = bool(changes.bought)
        if is_missing and await self._awaited.may_come(
            row.round_id, positions, is_unkept=is_unkept
        ):
            return row, []
        self._awaited.forget(row.round_id)
        found = await self._of_offers(row, made, terms, changes)
        found += await self._of_shared(row, made, terms, (sources, changes))
        found += await self._of_resales(row, resales, sources)
        return replace(row, capacity_compared=True), found

    async def _of_offers(
        self,
        row: RoundAudit,
        made: Sequence[Json],
        terms: Mapping[str, Sequence[Json]],
        changes: JournalChanges,
    ) -> list[Found]:
        """Hold an offer's chips against its terms; count them."""
        offer_ids = {str(item["offer_id"]) for item in made}
        kept = await self._store.given(offer_ids)
        kept |= {place: n for place, n in changes.given.items() if place[0] in offer_ids}
        touched = _places(made)
        hours = {(offer, hour) for offer, _, hour in touched}
        given = Given()
        for (offer, pool, hour), chips in kept.items():
            if (offer, hour) in hours:
                periods = [{"start": hour, "chips": chips}]
                given.add({"offer_id": offer, "pool": pool, "periods": periods})
        for item in made:
            given.add(item)
        for place, chips in touched.items():
            changes.given[place] = kept.get(place, 0) + chips
        outcome = given.outcome(terms)
        return _found("round.oversold", row, outcome.problems)

    async def _of_shared(
        self,
        row: RoundAudit,
        made: Sequence[Json],
        terms: Mapping[str, Sequence[Json]],
        known: tuple[Mapping[str, Bought], JournalChanges],
    ) -> list[Found]:
        """Hold the sales of what offers share against what there is; count them."""
        sources, changes = known
        places = {
            (capacity, hour)
            for item in made
            if (capacity := capacity_of(item, terms.get(str(item["offer_id"]), ()))) is not None
            for hour in hours_of(item)
        }
        if not places:
            return []
        kept = await self._store.shared(places)
        kept |= {place: changes.shared[place] for place in places & changes.shared.keys()}
        sales = Sales({place: replace(sold) for place, sold in kept.items()})
        for item in made:
            versions = terms.get(str(item["offer_id"]), ())
            source = resale_of(versions)
            if source is None or source in sources:
                sales.add(item, versions, None if source is None else sources[source])
        changes.shared |= sales.shared
        return _found("round.shared", row, sales.problems())

    async def _of_resales(
        self, row: RoundAudit, resales: Sequence[Sold], sources: Mapping[str, Bought]
    ) -> list[Found]:
        """Look at who sells on what, and through how many sales it came."""
        through = await self._store.sales_through(sources) if resales else {}
        problems = [
            problem
            for item, source in resales
            for problem in check_resale(
                item, source, sources.get(source), through.get(source, 0) + 1
            )
        ]
        return _found("round.resold", row, problems)


def _found(code: str, row: RoundAudit, problems: Sequence[str]) -> list[Found]:
    if not problems:
        return []
    evidence = {"round_id": row.round_id}
    return [Found(code, f"{row.round_id}/", tuple(problems), evidence, row.market_id, row.round_id)]


def _places(made: Iterable[Json]) -> dict[tuple[str, str, str], int]:
    """Return (offer, pool, hour) -> chips of allocations."""
    found: dict[tuple[str, str, str], int] = {}
    for item in made:
        for hour, chips in hours_of(item).items():
            place = (str(item["offer_id"]), str(item["pool"]), hour)
            found[place] = found.get(place, 0) + chips
    return found
