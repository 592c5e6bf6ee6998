"""Settlements, orders about money, statements and invoices of what a real ledger booked."""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import pytest

from schemas import events, money
from schemas.shares import PremiumSettled
from schemas.types import Role
from services.kit.kafka import OutRecord
from tests.integration.gateway.conftest import Gateway, Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_cli_phases import shell
from tests.unit.ledger import world as w
from tests.unit.ledger.charges import link_charged, premium_assigned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.links import LinkCharged

Json = dict[str, Any]
DAY_1, DAY_2 = "2026-11-24", "2026-11-25"
LINKS = ("link_tariff", "link_rent")
ITEMS = ("delivered", "fee", "penalty", "compensation", "premium", *LINKS)
FIRST, LAST = -2, 60
"""Hours around the story's first, 2026-11-24T08:00Z, between which all of it happens."""


@dataclass
class Story:
    """A ledger that is told what happens, and the market hours in which it happens."""

    ledger: w.MemoryLedger = field(default_factory=w.MemoryLedger)
    topics: w.Topics = field(default_factory=w.Topics)

    def tell(self, *bodies: events.Event, at: int = 0) -> None:
        self.ledger.feed(self.topics.put(*bodies, at=w.hour(at)))

    def begin(self) -> None:
        self.tell(
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 1000 * w.YUAN),
            w.deposited("cloud", 10 * w.YUAN),
            w.collateral("cloud", 3 * w.YUAN),
            w.offered("o1", "cloud", chips=1000, hours=48),
            w.terms(
                provider_fee_ppm=12_345,
                enterprise_fee_ppm=1_001,
                penalty_ppm=333_333,
                compensation_ppm=400_000,
                report_within_periods=6,
            ),
        )

    def round(
        self,
        seq: int,
        at: int,
        hours: list[tuple[int, int, int]],
        links: Sequence[LinkCharged] = (),
        premiums: Sequence[int] = (),
    ) -> events.AllocationMade:
        self.tell(w.demanded(f"d{seq}", "lab", chips=9, hours=48), at=at)
        body = w.allocated(seq, f"d{seq}", "lab", "o1", "cloud", hours)
        beside = [premium_assigned(body, premiums)] if any(premiums) else []
        kept = w.kept(seq, f"d{seq}", "lab", 0)
        self.ledger.feed(self.topics.round(seq, body, *links, *beside, kept, at=w.hour(at)))
        return body

    def empty_round(self, seq: int, at: int) -> None:
        self.ledger.feed(self.topics.round(seq, at=w.hour(at)))


def two_days() -> Story:
    """Return delivered, half delivered and lapsed hours over two days, a refusal, a reversal."""
    story = Story()
    story.begin()
    first = story.round(1, 1, [(2, 7, 1_000_003), (3, 7, 999_999), (4, 5, 777_777)])
    story.tell(w.delivered(first, [(2, 7), (3, 4)]), at=5)
    story.tell(w.withdrawn("lab", 5000 * w.YUAN, "too much"), at=6)
    story.tell(w.withdrawn("lab", 50 * w.YUAN), at=6)
    link = link_charged(2, "d2", "lab", 10_007, [(21, 3, 10_007), (22, 2, 30_011)])
    second = story.round(2, 20, [(21, 9, 1_234_567)], [link])
    story.empty_round(3, 21)
    story.tell(w.delivered(second, [(21, 0)]), at=23)
    fee = next(
        e for e in story.ledger.events(events.JournalEntryRecorded) if e.purpose == "penalty"
    )
    story.tell(w.reversed_entry(fee.entry_id), at=24)
    story.tell(w.deposited("cloud", 4 * w.YUAN, "late"), at=50)
    return story


def random_story(seed: int) -> Story:
    """Return deposits, payouts, collateral and rounds in hours that go up and down a little."""
    chance = random.Random(seed)
    story = Story()
    story.begin()
    made: list[events.AllocationMade] = []
    for step in range(40):
        at = max(0, step + chance.randint(-2, 1))
        kind = chance.choice(("deposit", "pay", "collateral", "round", "deliver", "empty"))
        name, amount = f"{seed}-{step}", chance.randint(1, 20 * w.YUAN)
        who = chance.choice(("lab", "cloud"))
        if kind == "deposit":
            story.tell(w.deposited(who, amount, name), at=at)
        elif kind == "pay":
            story.tell(w.withdrawn(who, amount, name), at=at)
        elif kind == "collateral":
            ways: tuple[Literal["in", "out"], ...] = ("in", "in", "out")
            story.tell(w.collateral("cloud", amount, chance.choice(ways), name), at=at)
        elif kind == "round":
            hours = [(at + n, chance.randint(1, 9), chance.randint(0, w.YUAN)) for n in range(2)]
            made.append(story.round(step, at, hours, *_beside(chance, step, hours)))
        elif kind == "deliver" and made:
            body = made.pop()
            told = [(n, 9) for n, p in ((_offset(p), p) for p in body.periods) if p.chips]
            story.tell(w.delivered(body, told[: chance.randint(1, 2)], name), at=at)
        else:
            story.empty_round(step, at)
    story.empty_round(99, LAST - 3)
    return story


def _beside(
    chance: random.Random, seq: int, hours: list[tuple[int, int, int]]
) -> tuple[list[LinkCharged], list[int]]:
    """Return charges for links, some congested, and a premium that charges before it credits."""
    links = []
    for at, _, _ in hours[: chance.randint(0, 2)]:
        tariff, rent = chance.randint(0, 9_999), chance.choice((0, chance.randint(1, 999)))
        sent = [(at, chance.randint(1, 99), tariff + rent)]
        links.append(link_charged(seq, f"d{seq}", "lab", tariff, sent))
    most = hours[0][1] * hours[0][2]
    charge = chance.randint(0, most)
    return links, chance.choice(([], [-charge, chance.randint(0, charge)]))


def _offset(period: events.AllocatedPeriod) -> int:
    return int((period.start - w.NOW).total_seconds()) // 3600


async def show(gateway: Gateway, story: Story, seed: int = 0) -> None:
    """Publish all that the ledger told, topics mixed, some records twice; wait for the last."""
    shown = ("journal-entries", "settlements")
    records = [
        OutRecord(r.topic, r.key, r.value, r.headers)
        for r in story.ledger.outbox
        if r.topic in shown
    ]
    chance = random.Random(seed)
    records += chance.sample(records, min(10, len(records)))
    chance.shuffle(records)
    await gateway.writer.send_many(records)
    wanted = (
        len(story.ledger.events(events.JournalEntryRecorded)),
        len(story.ledger.events(money.AllocationSettled)),
        len(story.ledger.events(money.MoneyRefused)),
        0,
    )

    async def counts() -> tuple[int, ...]:
        row = await gateway.pool.fetchrow(
            "SELECT (SELECT count(*) FROM journal_entry), (SELECT count(*) FROM settlement), "
            "(SELECT count(*) FROM money_refused), "
            "(SELECT count(*) FROM settlement_entry WHERE settlement_id IS NULL)"
        )
        assert row is not None
        return tuple(row)

    await gateway.eventually(counts, lambda found: found == wanted)


async def get(gateway: Gateway, path: str, key: str) -> Json:
    reply = await gateway.call("GET", path, key=key)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def every(gateway: Gateway, path: str, key: str, limit: int = 7) -> list[Json]:
    """Return all items of a list, over its pages."""
    found: list[Json] = []
    cursor = ""
    while True:
        mark = "&" if "?" in path else "?"
        page = await get(gateway, f"{path}{mark}limit={limit}{cursor}", key)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def billed(story: Story, who: str, first: int, end: int) -> int:
    """Return what leaves of the log took from a participant, less what is kept in escrow for it."""
    own = {f"{kind}:{who}" for kind in ("cny", "collateral", "debt")}
    if who == "lab":
        own.add(f"escrow:{w.MARKET}")
    return sum(
        posting.amount
        for entry in story.ledger.events(events.JournalEntryRecorded)
        if first <= entry.leaf_index < end and entry.purpose not in {"deposit", "withdrawal"}
        for posting in entry.postings
        if posting.layer == "posted" and posting.account in own
    )


def links_of(story: Story, purpose: str, first: int, end: int) -> int:
    """Return what leaves of the log paid for links."""
    return sum(
        entry.amount
        for entry in story.ledger.events(events.JournalEntryRecorded)
        if entry.purpose == purpose and first <= entry.leaf_index < end
    )


def moved(story: Story, account: str) -> int:
    """Return what an account has, by the ledger's own counters."""
    found = story.ledger.view.accounts.get(account)
    return 0 if found is None else found.credits_posted - found.debits_posted


def iso(at: int) -> str:
    return w.hour(at).isoformat().replace("+00:00", "Z")


async def keys_of(gateway: Gateway) -> dict[str, str]:
    """Admit the participants of a story; return their keys."""
    return {
        "lab": await gateway.admit("lab", "enterprise"),
        "cloud": await gateway.admit("cloud", "provider"),
        "other": await gateway.admit("other", "provider"),
        "regulator": await gateway.admit("watch", "regulator"),
    }


@pytest.mark.parametrize("seed", range(5))
async def test_statements_join_without_a_seam_and_are_the_journal(
    gateway: Gateway, seed: int
) -> None:
    story = random_story(seed)
    keys = await keys_of(gateway)
    await show(gateway, story, seed)
    chance = random.Random(seed)
    for who in ("lab", "cloud"):
        cuts = sorted({FIRST, LAST, *chance.sample(range(FIRST, LAST), 6)})
        before: dict[str, int] = defaultdict(int)
        leaves: list[int] = []
        for start, end in pairwise(cuts):
            query = f"from={iso(start)}&to={iso(end)}"
            found = await get(gateway, f"/v1/account/statement?{query}", keys[who])
            lines = await every(gateway, f"/v1/account/statement/entries?{query}", keys[who])
            totals: dict[str, int] = defaultdict(int)
            for line in lines:
                totals[line["account"]] += line["amount"]
            for one in found["accounts"]:
                name = one["account"]
                assert one["opening"] == before[name]
                assert one["closing"] == one["opening"] + totals[name]
                assert one["closing"] == one["opening"] + one["credits"] - one["debits"]
                before[name] = one["closing"]
                assert one["entries"] == sum(line["account"] == name for line in lines)
            assert sum(total["amount"] for total in found["totals"]) == sum(totals.values())
            for part in LINKS:
                paid = links_of(story, part, found["first_leaf"], found["end_leaf"])
                told = sum(one["amount"] for one in found["totals"] if one["purpose"] == part)
                wanted = -paid if who == "lab" else 0
                assert told == sum(line[part] for line in lines) == wanted
            assert all(
                found["first_leaf"] <= line["leaf_index"] < found["end_leaf"] for line in lines
            )
            leaves += [line["leaf_index"] for line in lines]
        assert leaves == sorted(leaves)
        shown = await get(gateway, "/v1/account", keys[who])
        for kind, name in (("posted", "cny"), ("collateral", "collateral")):
            assert before[f"{name}:{who}"] == moved(story, f"{name}:{who}") == shown[kind]
        assert before[f"debt:{who}"] == moved(story, f"debt:{who}") == -shown["debt"]


@pytest.mark.parametrize("seed", range(5))
async def test_invoices_are_what_the_settlements_and_the_journal_say(
    gateway: Gateway, seed: int
) -> None:
    story = random_story(seed)
    keys = await keys_of(gateway)
    await show(gateway, story, seed)
    told = story.ledger.events(money.AllocationSettled)
    entries = story.ledger.events(events.JournalEntryRecorded)
    by_leaf = {entry.leaf_index: entry for entry in entries}
    paid, fees = sum(one.paid for one in told), sum(one.provider_fee for one in told)
    shares = story.ledger.events(PremiumSettled)
    premium = sum(one.charge + one.charge_missed - one.credit for one in shares)
    charged = {
        "lab": (
            paid,
            sum(one.enterprise_fee for one in told),
            0,
            -sum(one.compensation for one in told),
            0,
            *(links_of(story, part, 0, len(entries)) for part in LINKS),
        ),
        "cloud": (-paid, fees, sum(one.penalty for one in told), 0, premium, 0, 0),
    }
    for who, wanted in charged.items():
        found = await every(gateway, "/v1/account/invoices", keys[who], limit=2)
        assert tuple(sum(one[item] for one in found) for item in ITEMS) == wanted
        assert sum(one["total"] for one in found) == sum(wanted)
        numbers = [one["number"] for one in reversed(found) if one["final"]]
        assert numbers == [f"{who}-{place:06d}" for place in range(1, len(numbers) + 1)]
        for one in found:
            path = f"/v1/account/invoices/{one['day']}"
            assert await get(gateway, path, keys[who]) == one
            lines = await every(gateway, f"{path}/lines", keys[who], limit=3)
            assert len(lines) == one["lines"]
            assert sum(line["amount"] for line in lines) == one["total"]
            assert one["total"] == billed(story, who, one["first_leaf"], one["end_leaf"])
            places = [(leaf, line["item"]) for line in lines for leaf in line["leaf_indexes"]]
            assert len(places) == len(set(places))
            for line in lines:
                assert (line["settlement_id"] is None) == (line["item"] in LINKS)
                amounts = [
                    entry.amount * (-1 if entry.purpose == "premium_credit" else 1)
                    for entry in (by_leaf[leaf] for leaf in line["leaf_indexes"])
                ]
                assert abs(line["amount"]) == abs(sum(amounts))
                assert {by_leaf[leaf].order_id for leaf in line["leaf_indexes"]} == {
                    line["order_id"]
                }


async def test_a_day_is_told_as_it_was_and_a_reversal_corrects_the_next_invoice(
    market: Market,
) -> None:
    gateway, story = market.gateway, two_days()
    keys = await keys_of(gateway)
    await show(gateway, story)
    first, second = reversed(await every(gateway, "/v1/account/invoices", keys["cloud"]))
    assert (first["day"], second["day"]) == (DAY_1, DAY_2)
    assert (first["number"], second["number"]) == ("cloud-000001", "cloud-000002")
    penalty = next(
        entry
        for entry in story.ledger.events(events.JournalEntryRecorded)
        if entry.purpose == "penalty"
    )
    lines = await every(gateway, f"/v1/account/invoices/{DAY_2}/lines", keys["cloud"])
    assert -penalty.amount in [line["amount"] for line in lines]
    for who in ("lab", "cloud"):
        for one in await every(gateway, "/v1/account/invoices", keys[who]):
            assert one["total"] == billed(story, who, one["first_leaf"], one["end_leaf"])
    as_paid = await every(gateway, f"/v1/account/invoices/{DAY_2}/lines", keys["lab"])
    found = {(line["item"], line["order_id"], line["round_id"]): line for line in as_paid}
    for item, amount in zip(LINKS, (5 * 10_007, 2 * 20_004), strict=True):
        line = found[item, w.demand_id("d2"), f"{w.MARKET}:2"]
        assert (line["amount"], line["market_id"], line["allocation_id"]) == (
            amount,
            w.MARKET,
            None,
        )
    as_csv = await gateway.call(
        "GET",
        f"/v1/account/invoices/{DAY_1}/lines",
        key=keys["cloud"],
        headers={"Accept": "text/csv"},
    )
    assert as_csv.text.splitlines()[0].startswith("settlement_id,allocation_id,market_id")
    none = await gateway.call("GET", "/v1/account/invoices/2026-11-30", key=keys["cloud"])
    assert none.status_code == 404
    wrong = await gateway.call("GET", "/v1/account/invoices/2026-02-31", key=keys["cloud"])
    assert (wrong.status_code, wrong.json()["code"]) == (422, "validation.period")


async def test_settlements_refusals_and_orders_are_shown_to_whom_they_concern(
    market: Market,
) -> None:
    gateway, story = market.gateway, two_days()
    keys = await keys_of(gateway)
    await show(gateway, story)
    told = {one.settlement_id for one in story.ledger.events(money.AllocationSettled)}
    for who in ("lab", "cloud", "regulator"):
        found = await every(gateway, "/v1/settlements", keys[who], limit=1)
        assert {one["settlement_id"] for one in found} == told
    assert await every(gateway, "/v1/settlements", keys["other"]) == []
    assert len(await every(gateway, f"/v1/settlements?market_id={w.MARKET}", keys["lab"])) == 3
    (refused,) = await every(gateway, "/v1/refusals", keys["lab"])
    assert refused["reason"]["code"] == "hold.insufficient_funds"
    assert await every(gateway, "/v1/refusals", keys["cloud"]) == []
    assert len(await every(gateway, "/v1/refusals", keys["regulator"])) == 1
    paid = w.withdrawn("lab", 50 * w.YUAN).withdrawal_id
    for ref, state in ((paid, "booked"), (refused["order_ref"], "refused")):
        path = f"/v1/money-orders/{ref}"
        assert (await get(gateway, path, keys["lab"]))["state"] == state
        assert (await get(gateway, path, keys["regulator"]))["state"] == state
        for stranger in ("cloud", "other"):
            assert (await gateway.call("GET", path, key=keys[stranger])).status_code == 404
    found = await every(gateway, "/v1/account/entries?account=collateral", keys["cloud"])
    assert found[0]["balance"] == moved(story, "collateral:cloud")
    for path in (
        f"/v1/account/statement?from={iso(0)}&to={iso(1)}&participant_id=lab",
        f"/v1/account/statement/entries?from={iso(0)}&to={iso(1)}&participant_id=lab",
        "/v1/account/invoices?participant_id=lab",
        f"/v1/account/invoices/{DAY_1}?participant_id=lab",
        f"/v1/account/invoices/{DAY_1}/lines?participant_id=lab",
        "/v1/account/entries?account=debt&participant_id=lab",
    ):
        assert (await gateway.call("GET", path, key=keys["cloud"])).status_code == 404
        assert (await gateway.call("GET", path, key=keys["regulator"])).status_code == 200


async def test_a_statement_is_final_once_the_log_is_past_it_and_waits_for_a_whole_journal(
    gateway: Gateway,
) -> None:
    story, keys = two_days(), await keys_of(gateway)
    path = f"/v1/account/statement?from={iso(0)}&to={iso(40)}"
    await show(gateway, story)
    assert (await get(gateway, path, keys["lab"]))["final"]
    assert not (await get(gateway, path.replace(iso(40), iso(60)), keys["lab"]))["final"]
    backwards = await gateway.call("GET", path.replace(iso(0), iso(41)), key=keys["lab"])
    assert (backwards.status_code, backwards.json()["code"]) == (422, "validation.period")
    # As when one partition is read faster than another.
    await gateway.pool.execute("UPDATE journal_hour SET entries = entries + 1")
    gap = await gateway.call("GET", path, key=keys["lab"])
    assert (gap.status_code, gap.json()["code"]) == (503, "journal_incomplete")


async def test_orders_about_money_go_to_the_log_once_and_terms_by_version(market: Market) -> None:
    gateway = market.gateway
    asked = {"amount": 5, "reference": "payout"}
    path = "/v1/participants/enterprise-1/withdrawals"
    replies = [
        await gateway.call("POST", path, asked, headers={"Idempotency-Key": "w1"}) for _ in range(2)
    ]
    assert [reply.status_code for reply in replies] == [202, 202]
    assert replies[0].json() == replies[1].json()
    assert replies[0].json()["withdrawal_id"].startswith("wdr_")
    nobody = await gateway.call(
        "POST", path.replace("-1", "-9"), asked, headers={"Idempotency-Key": "w2"}
    )
    assert nobody.status_code == 404
    own = {"direction": "in", "amount": 7}
    path = "/v1/participants/provider-1/collateral"
    mine = await gateway.call(
        "POST", path, own, key=market.provider, headers={"Idempotency-Key": "c1"}
    )
    assert mine.status_code == 202, mine.text
    buyer = await gateway.call(
        "POST",
        path.replace("provider", "enterprise"),
        own,
        key=market.enterprise,
        headers={"Idempotency-Key": "c1"},
    )
    assert buyer.status_code == 202, buyer.text
    foreign = await gateway.admit("provider-2", "provider")
    other = await gateway.call("POST", path, own, key=foreign, headers={"Idempotency-Key": "c1"})
    assert other.status_code == 404
    terms = w.terms(provider_fee_ppm=5).model_dump() | {"market_id": "jingjinji"}
    for version, status in ((2, 409), (1, 202), (1, 409), (2, 202)):
        reply = await gateway.call("POST", "/v1/settlement-terms", terms | {"version": version})
        assert reply.status_code == status, reply.text
    found = await every(gateway, "/v1/settlement-terms", market.regulator, limit=1)
    assert [one["version"] for one in found] == [1, 2]
    unknown = terms | {"market_id": "nowhere"}
    assert (await gateway.call("POST", "/v1/settlement-terms", unknown)).status_code == 404


async def test_the_command_line_shows_what_links_cost_on_invoice_and_statement(
    gateway: Gateway,
) -> None:
    keys = await keys_of(gateway)
    await show(gateway, two_days())
    async with served(gateway) as url:
        lines, statement = await asyncio.gather(
            shell(url, keys["lab"], "account", "invoice", DAY_2, "--lang", "zh"),
            shell(url, keys["lab"], "account", "statement"),
        )
    assert (lines[0], statement[0]) == (0, 0), (lines, statement)
    assert re.search(r"链路资费 .* 0\.050035", lines[1])
    assert re.search(r"链路拥塞租金 .* 0\.040008", lines[1])
    assert re.search(r"money captured .* -0\.050035 +-0\.040008", statement[1])
    assert re.search(r"rent of full links +1 +-0\.040008", statement[1])
