"""Premiums, shares and charges for links that were told or booked otherwise are found."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from schemas import events
from schemas.links import LinkCharged, RoundLinks
from schemas.market import Market
from schemas.shares import PremiumAssigned, RoundShares
from schemas.types import Role, period_of
from services.core.round_events import set_digest
from services.core.round_file import file_events, join_file
from services.kit.clock import ManualClock
from services.kit.kafka import OutRecord
from suanli.check_charges import allocation_id_of
from suanli.check_formats import canonical_sha256
from tests.integration.auditor.test_bookings import audited
from tests.integration.auditor.wire import Wire
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    settled,
)
from tests.integration.matching.test_policies import policy
from tests.unit.ledger import world as w

pytestmark = pytest.mark.integration

Events = list[events.Event]
Spoil = Callable[[Events], Events]
Change = Callable[[events.Event], Sequence[events.Event]]
H800 = {"id": "h800", "name": "H800", "vendor": "NVIDIA", "domestic": False, "memory_gb": 80}
TRAFFIC = {"user_zone": "bj-1", "traffic_gb_per_chip_hour": 10, "latency_ms_max": None}
HOME, AWAY = offer("home", ask=1_200_000), offer("away", chip="h800", zone="he-1")
EITHER = demand("n", alternatives=[{"chips_any_of": ["a910b", "h800"], "limit": 3_000_000}])
SENDS = demand("m", alternatives=[{"chips_any_of": ["h800"], "limit": 3_000_000}], **TRAFFIC)
ORDERS = (HOME, AWAY, EITHER, SENDS)
PEOPLE = (
    w.registered("e-n"),
    w.registered("e-m"),
    w.registered("p-home", Role.PROVIDER),
    w.registered("p-away", Role.PROVIDER),
    w.deposited("e-n", 100 * w.YUAN),
    w.deposited("e-m", 100 * w.YUAN),
)
CODES = ("round.premiums", "round.links", "round.levied", "round.payments", "round_refuted")


# What one round told, for all tests: (on rounds, on allocations).
_TOLD: list[tuple[Events, Events]] = []


async def cleared(desk: Desk) -> tuple[Events, Events]:  # noqa: F811
    """Return what a round tells whose share has a premium and whose demand sends over a link."""
    if not _TOLD:
        await clear(desk)
        _TOLD.append((desk.distinct("rounds"), desk.distinct("allocations")))
        return _TOLD[0]
    await desk.say(HOME, AWAY, *_TOLD[0][0], *_TOLD[0][1])
    return _TOLD[0]


async def clear(desk: Desk) -> None:  # noqa: F811
    told = MARKET.model_dump(mode="json")
    told["chips"].append(H800 | {"tflops": 320, "lot": 8})
    rule = {"kind": "domestic_share", "share_bp": 5_000, "premium_max": 5_000}
    market = events.MarketDefined(market=Market.model_validate(told))
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await desk.say(market, policy(rule, "share"))
        await desk.say(*ORDERS, hold(EITHER), hold(SENDS))
        await settled(matching, least=8)
        await matching.run_round()
        await desk.hear()


def as_round(told: Sequence[events.Event], seq: int) -> Events:
    """Return a round's records under another number, with ids and digests that fit."""
    name = f"jjj:{seq}"
    parts = [event for event in told if isinstance(event, events.RoundFilePart)]
    file = json.loads(join_file(parts, 10**8)) if parts else {"book": {}, "result": {}}
    file["book"]["round_id"] = file["result"]["round_id"] = name
    file["result"]["book_digest"] = book = canonical_sha256(file["book"])
    result = canonical_sha256(file["result"])
    text = json.dumps(file, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    ids = {
        event.allocation_id: allocation_id_of(
            name,
            (event.demand_id, event.offer_id, event.pool, period_of(event.periods[0].start)),
        )
        for event in told
        if isinstance(event, events.AllocationMade)
    }
    made: Events = []
    for event in told:
        if isinstance(event, events.RoundFilePart):
            continue
        change: dict[str, object] = {"round_id": name}
        match event:
            case events.RoundSealed():
                change |= {"seq": seq, "book_digest": book}
            case events.RoundCleared():
                change |= {"seq": seq, "result_digest": result}
            case events.RoundClosed() | RoundShares():
                change |= {"seq": seq}
            case events.AllocationMade() | PremiumAssigned():
                change |= {"allocation_id": ids[event.allocation_id]}
            case _:
                pass
        made.append(event.model_copy(update=change))
    return [*made, *(file_events(name, "jjj", text.encode()) if parts else ())]


def each(kind: type[events.Event], change: Change) -> Spoil:
    """Return what puts other events into the place of the first of a kind."""

    def spoilt(told: Events) -> Events:
        at = next(n for n, event in enumerate(told) if isinstance(event, kind))
        return [*told[:at], *change(told[at]), *told[at + 1 :]]

    return spoilt


def with_(**changes: object) -> Change:
    return lambda event: [event.model_copy(update=changes)]


def also(**changes: object) -> Change:
    return lambda event: [event, event.model_copy(update=changes)]


def first_share(**changes: object) -> Change:
    def change(event: events.Event) -> Sequence[events.Event]:
        assert isinstance(event, RoundShares)
        share = event.shares[0].model_copy(update=changes)
        return [event.model_copy(update={"shares": (share,)})]

    return change


def first_row(rows: str, curve: str, value: int) -> Change:
    """Return what puts another number into the first hour of the first row's curve."""

    def change(event: events.Event) -> Sequence[events.Event]:
        first, *others = getattr(event, rows)
        row = first.model_copy(update={curve: (value, *getattr(first, curve)[1:])})
        return [event.model_copy(update={rows: (row, *others)})]

    return change


def without_first_pool(event: events.Event) -> Sequence[events.Event]:
    assert isinstance(event, events.RoundPrices)
    return [event.model_copy(update={"pools": event.pools[1:]})]


def all_of(*spoils: Spoil) -> Spoil:
    def spoilt(told: Events) -> Events:
        for spoil in spoils:
            told = spoil(told)
        return told

    return spoilt


INVENTED = w.allocation_id("x")
# Of each round what is spoilt, and of each finding what it says.
SPOILT: dict[int, tuple[Spoil, dict[str, list[str]]]] = {
    2: (
        all_of(
            each(PremiumAssigned, also(allocation_id=INVENTED)),
            each(PremiumAssigned, with_(amount=1)),
            each(LinkCharged, with_(payment=1)),
        ),
        {
            "round.premiums": ["told was 1", f"{INVENTED}: not in the round's file"],
            "round.links": ["the file says 40000, told was 1"],
        },
    ),
    3: (
        all_of(
            each(PremiumAssigned, with_(round_id="jjj:4")),
            each(LinkCharged, with_(source="bj-1", destination="he-1")),
        ),
        {
            "round.premiums": ["only in the round's file"],
            "round.links": ["bj-1>he-1: not in the round's", "he-1>bj-1: only in the round's"],
        },
    ),
    4: (
        all_of(
            each(PremiumAssigned, with_(provider_id="p-x")),
            each(LinkCharged, with_(enterprise_id="e-n")),
        ),
        {
            "round.premiums": ["not in the round's file", "told of p-x, the allocation is of p-"],
            "round.links": ["told of e-n, the allocation is of e-m"],
        },
    ),
    5: (
        all_of(each(RoundShares, first_share(premium=1)), each(RoundShares, with_(seq=9))),
        {"round_refuted": ["[share].premium must be ", "round-shares.seq must be 5"]},
    ),
    6: (
        each(RoundShares, lambda _: []),
        {"round_refuted": ["shares[share] must be there as in the round file, was None"]},
    ),
    7: (
        all_of(
            each(events.RoundPrices, first_row("pools", "prices", 7)),
            each(events.RoundPrices, with_(first_period=START)),
            each(RoundLinks, first_row("links", "used", 7)),
        ),
        {
            "round_refuted": [
                "round-prices.pools[bj-1/a910b].prices[",
                "round-prices.first_period must be",
                "round-links.links[he-1>bj-1].used[",
            ]
        },
    ),
    8: (
        all_of(
            each(events.RoundPrices, without_first_pool),
            each(RoundLinks, with_(parts=2)),
        ),
        {
            "round_refuted": [
                "round-prices.pools[bj-1/a910b] must be there as in the round file, was None",
                "round-links.parts must be 1 as in the round file, was 2",
            ]
        },
    ),
}
OF_ROUNDS = (5, 6, 7, 8)


async def test_shares_premiums_and_charges_that_are_not_of_the_file_are_found(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    rounds, sets = await cleared(desk)
    kinds = {type(event) for event in (*rounds, *sets)}
    assert {RoundShares, PremiumAssigned, LinkCharged} <= kinds
    for seq, (spoil, _) in SPOILT.items():
        told, made = as_round(rounds, seq), as_round_set(rounds, sets, seq)
        await wire.say(*(spoil(told) if seq in OF_ROUNDS else told))
        await wire.say(*(made if seq in OF_ROUNDS else spoil(made)))
    # Of a round that was judged, other things come late; the same again are no news.
    for kind, late in (
        (RoundShares, first_share(account=5)),
        (events.RoundPrices, first_row("pools", "prices", 7)),
        (RoundLinks, first_row("links", "used", 7)),
    ):
        (said,) = (event for event in rounds if isinstance(event, kind))
        await wire.say(said, *late(said))
    async with wire.auditing():
        await wire.until("SELECT count(*) FROM verdict", lambda n: n == 8)
        await wire.until(
            "SELECT count(*) FROM round_audit WHERE allocations_compared", lambda n: n == 4
        )
        findings = await wire.findings()
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for finding in findings:
        if finding.summary.code in CODES:
            assert finding.round_id is not None
            found[finding.round_id][finding.summary.code] += finding.problems
    (repeats,) = found.pop("jjj:1").values()
    assert [text.split(" must be ")[0] for text in repeats] == [
        f"round {kind}" for kind in ("shares", "prices", "links")
    ]
    assert all("as told before" in text for text in repeats)
    assert {round_id: rows.keys() for round_id, rows in found.items()} == {
        f"jjj:{seq}": texts.keys() for seq, (_, texts) in SPOILT.items()
    }
    for seq, (_, wanted) in SPOILT.items():
        for code, texts in wanted.items():
            problems = found[f"jjj:{seq}"][code]
            assert len(problems) == len(texts), problems
            assert all(any(text in problem for problem in problems) for text in texts), problems


def as_round_set(rounds: Events, sets: Events, seq: int) -> Events:
    """Return what was told on ``allocations`` under another number."""
    own = [event for event in rounds if isinstance(event, events.RoundFilePart)]
    return [
        event
        for event in as_round([*own, *sets], seq)
        if not isinstance(event, events.RoundFilePart)
    ]


def booked(told: Events, change: Spoil) -> list[OutRecord]:
    """Return the journal of a ledger that books what it was told, changed, and all deliveries."""
    topics, ledger = w.Topics(), w.MemoryLedger()
    ledger.feed(topics.put(*PEOPLE, *ORDERS))
    bodies = change([event for event in told if not isinstance(event, events.RoundClosed)])
    (closed,) = [event for event in told if isinstance(event, events.RoundClosed)]
    digest = set_digest(body.model_dump_json().encode() for body in bodies)
    update = {"digest": digest, "offers_through": (), "demand_through": ()}
    ledger.feed(topics.put(*bodies, closed.model_copy(update=update)))
    assert ledger.events(events.FindingRaised) == []
    for made in bodies:
        if isinstance(made, events.AllocationMade):
            periods = tuple(
                events.DeliveredPeriod(start=one.start, chips=one.chips) for one in made.periods
            )
            report = w.delivered(made, [(0, 1)]).model_copy(update={"periods": periods})
            ledger.feed(topics.put(report))
    return [record for record in ledger.outbox if record.topic == "journal-entries"]


def by_one(is_charge: bool) -> Spoil:
    """Return what lets the provider of a premium have a micro-yuan less."""

    def spoilt(told: Events) -> Events:
        made: Events = []
        for event in told:
            if isinstance(event, PremiumAssigned) and (event.amount < 0) == is_charge:
                first = event.periods[0].model_copy(update={"amount": event.periods[0].amount - 1})
                update = {"periods": (first, *event.periods[1:]), "amount": event.amount - 1}
                made.append(event.model_copy(update=update))
            else:
                made.append(event)
        return made

    return spoilt


def cheaper(event: events.Event) -> Sequence[events.Event]:
    """Return a charge with a tariff that is a micro-yuan less; the rest is rent."""
    assert isinstance(event, LinkCharged)
    return [event.model_copy(update={"tariff": event.tariff - 1})]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda told: told, []),
        (by_one(is_charge=True), ["round.levied", "round.payments"]),
        (by_one(is_charge=False), ["round.levied"]),
        (each(LinkCharged, cheaper), ["round.payments"]),
    ],
    ids=["as told", "charge", "credit", "link"],
)
async def test_premiums_and_links_are_held_against_the_journal(
    desk: Desk,  # noqa: F811
    wire: Wire,
    change: Spoil,
    wanted: list[str],
) -> None:
    _, told = await cleared(desk)
    entries = booked(told, change)
    purposes = {json.loads(record.value)["purpose"] for record in entries}
    assert {"premium_assessed", "premium_credit", "premium_charge", "link_tariff"} <= purposes
    found = await audited(wire, entries)
    assert sorted(it.summary.code for it in found if it.summary.code in CODES) == wanted
    # All was delivered: nothing is left to be remembered of the round.
    if not wanted:
        assert await wire.rows("SELECT * FROM claim") == []
        assert await wire.rows("SELECT * FROM round_allocation") == []
