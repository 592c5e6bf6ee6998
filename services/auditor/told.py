"""What was told of a round beside its file: kept until the file is whole, then held against it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from schemas.events import RoundPrices
from schemas.links import RoundLinks
from schemas.shares import RoundShares
from schemas.types import period_of
from services.auditor.ports import TOLD
from suanli.check_told import Differs, compare_links, compare_prices, compare_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.events import RoundSealed
    from services.auditor.ports import Checked, Digests, Judged, ToldEvent

Place = tuple[str, int]
"""(kind, part)."""
_KINDS = {model: kind for kind, model in TOLD.items()}


def place_of(event: ToldEvent) -> Place:
    """Return what an event tells of its round; it tells that once."""
    return _KINDS[type(event)], 0 if isinstance(event, RoundShares) else event.part


def digest_of(event: ToldEvent) -> str:
    """Return SHA-256 of what an event says."""
    return hashlib.sha256(event.model_dump_json().encode()).hexdigest()


def digests_of(told: Mapping[Place, ToldEvent]) -> Digests:
    """Return what a verdict keeps of what was told with its round."""
    found: Digests = {kind: {} for kind in TOLD}
    for (kind, part), event in told.items():
        found[kind][part] = digest_of(event)
    return found


def told_before(event: ToldEvent, judged: Judged) -> str | None:
    """Return the digest of what was told of a judged round; ``None`` if it was not looked at."""
    kind, part = place_of(event)
    parts = judged.told.get(kind)
    return None if parts is None else parts.get(part, "none")


def differences(
    sealed: RoundSealed, told: Mapping[Place, ToldEvent], checked: Checked
) -> list[str]:
    """Return where what was told of a round is not what its file says.

    All of it is told before the parts of the file, on their partition: a file that is whole has it.

    Args:
        sealed: The round.
        told: What was told.
        checked: What its file says, which is right.
    """
    file, first = checked.told, checked.told.first_period
    events = [told[place] for place in sorted(told)]
    shares = [event for event in events if isinstance(event, RoundShares)]
    prices = [event for event in events if isinstance(event, RoundPrices)]
    links = [event for event in events if isinstance(event, RoundLinks)]
    rows = shares[0].model_dump(mode="json")["shares"] if shares else None
    pools = [row.model_dump(mode="json") for event in prices for row in event.pools]
    curves = [row.model_dump(mode="json") for event in links for row in event.links]
    return [
        f"round-{kind}.{one.where} must be {one.wanted} as in the round file, was {one.found}"
        for kind, differs in (
            ("shares", compare_shares(file.shares, rows)),
            ("shares", _of_shares(sealed, shares)),
            ("prices", compare_prices(file.prices, pools, first)),
            ("prices", _of_parts(sealed, prices, first)),
            ("links", compare_links(file.links, curves, first)),
            ("links", _of_parts(sealed, links, first)),
        )
        for one in differs
    ]


def _of_shares(sealed: RoundSealed, shares: Sequence[RoundShares]) -> list[Differs]:
    return [
        Differs(name, getattr(sealed, name), getattr(event, name))
        for event in shares
        for name in ("market_id", "seq", "market_time")
        if getattr(sealed, name) != getattr(event, name)
    ]


def _of_parts(
    sealed: RoundSealed, events: Sequence[RoundPrices | RoundLinks], first: int
) -> list[Differs]:
    """Return where what all parts say is not so: the market, the first period, their number."""
    return [
        Differs(name, wanted, found)
        for event in events
        for name, wanted, found in (
            ("market_id", sealed.market_id, event.market_id),
            ("first_period", first, period_of(event.first_period)),
            ("parts", len(events), event.parts),
        )
        if wanted != found
    ]
