from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from infra.demo import words, world
from infra.demo.books import money_of
from infra.demo.closing import far_cadence_s
from infra.demo.day import Day, build_day, shorten
from infra.demo.figures import chip_hours_wanted
from infra.demo.meter import READS
from infra.demo.opening import deposits_of
from infra.demo.options import parse
from infra.demo.outage import ENDS, weakened
from infra.demo.pace import processor_share, slower_by
from infra.demo.shares import STEPS, policy_of
from infra.demo.trials import wrong_orders
from schemas.policies import DomesticShare, PolicyNew
from services.auditor.main import TOPICS as AUDITOR_TOPICS
from services.gateway.adapters.projection import TOPICS as GATEWAY_TOPICS
from services.ledger.app import TOPICS as LEDGER_TOPICS
from services.matching.app.intake import TOPICS as MATCHING_TOPICS
from tests.unit.demo.days import START

if TYPE_CHECKING:
    from infra.demo.facts import Json


# --- pace and options -------------------------------------------------------------------------


def test_the_default_day_takes_two_minutes() -> None:
    options = parse([])
    assert (options.hours, options.orders, options.speed) == (24, 3000, 720.0)
    assert options.may_slow


def test_a_short_day_keeps_the_pace_unless_one_is_asked_for() -> None:
    assert parse(["--hours", "3", "--orders", "150"]).speed == 720.0
    assert parse(["--hours", "3", "--orders", "150", "--minutes", "1"]).speed == 180.0
    chosen = parse(["--speed", "60"])
    assert chosen.speed == 60.0
    assert not chosen.may_slow


@pytest.mark.parametrize(
    "wrong",
    [
        ["--hours", "25"],
        ["--orders", "9001"],
        ["--hours", "1", "--orders", "376"],
        ["--speed", "0"],
        ["--minutes", "0.1"],
        ["--speed", "9", "--minutes", "2"],
        ["--lang", "fr"],
    ],
)
def test_options_that_cannot_be_are_refused(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(wrong)
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_the_language_follows_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert parse([]).language == "zh"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert parse([]).language == "en"


def test_a_busy_machine_gets_a_slower_day_within_bounds() -> None:
    assert slower_by(1.0) == slower_by(0.8) == 1.0
    assert slower_by(0.4) == pytest.approx(2.0)
    assert slower_by(0.01) == slower_by(0.0) == 3.0
    assert 0 < processor_share() <= 1.1


# --- the day ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_day() -> Day:
    return build_day(START, demands=600)


def test_the_same_seed_gives_the_same_day(whole_day: Day) -> None:
    assert build_day(START, demands=600) == whole_day


def test_a_short_day_keeps_changes_with_their_orders(whole_day: Day) -> None:
    day = shorten(whole_day, hours=6, demands=80)
    demands = {item.key for item in day.actions if item.kind == "demand"}
    changes = {item.key for item in day.actions if item.kind in {"amend", "cancel"}}
    assert len(demands) == 80
    assert changes <= demands
    assert all(item.at_s < 6 * 3600 for item in day.actions)
    named = {name for name, _ in day.enterprises}
    assert named == {item.participant_id for item in day.actions if item.kind == "demand"}


def test_every_demand_can_still_be_cleared_after_the_round_that_follows_it(
    whole_day: Day,
) -> None:
    for item in whole_day.actions:
        if item.kind == "demand":
            earliest = datetime.fromisoformat(item.body["earliest"])
            sent = START + timedelta(seconds=item.at_s)
            assert earliest - sent >= timedelta(hours=2)


def test_most_enterprises_can_pay_for_all_they_ask_and_some_cannot(whole_day: Day) -> None:
    deposits = deposits_of(whole_day)
    wanted = dict.fromkeys(deposits, 0.0)
    for item in whole_day.actions:
        if item.kind == "demand":
            dearest = max(choice["limit"] for choice in item.body["alternatives"])
            wanted[item.participant_id] += chip_hours_wanted(item.body) * dearest
    short = [name for name, most in wanted.items() if deposits[name] < most]
    assert 0 < len(short) <= len(deposits) // 5
    assert all(amount % (1000 * world.MICRO) == 0 for amount in deposits.values())


def test_every_wrong_order_is_wrong_in_its_own_way() -> None:
    found = wrong_orders(START, "dem_" + "a" * 26)
    assert len({item.name for item in found}) == len(found) == 14
    keys = [item.operation.idempotency_key for item in found if item.operation.idempotency_key]
    assert all(key.isascii() and " " not in key for key in keys)
    assert len(set(keys)) == len(keys)


def test_the_link_loses_its_capacity_both_ways_and_nothing_else_changes() -> None:
    market = world.market(round_every_s=3600, effort=1)
    weak = weakened(market, 7)
    hit = [one for one in weak["links"] if one["capacity_gb_per_period"] == 7]
    assert {(one["source"], one["destination"]) for one in hit} == {ENDS, ENDS[::-1]}
    rest = [one for one in market["links"] if {one["source"], one["destination"]} != set(ENDS)]
    assert [one for one in weak["links"] if one not in hit] == rest
    assert weak | {"links": market["links"]} == market


def test_the_regulator_s_steps_are_versions_of_one_policy_that_ends_withdrawn() -> None:
    bodies = [PolicyNew.model_validate(policy_of(n, step)) for n, step in enumerate(STEPS, 1)]
    assert [body.version for body in bodies] == [1, 2, 3]
    assert {body.policy_id for body in bodies} == {bodies[0].policy_id}
    shares = [body.rule.share_bp for body in bodies if isinstance(body.rule, DomesticShare)]
    assert shares == sorted(shares)
    assert bodies[-1].rule is None
    assert [step.when for step in STEPS] == sorted(step.when for step in STEPS)


# --- closing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hour", range(24))
def test_the_cadence_that_ends_the_day_leaves_hours_until_the_next_round(hour: int) -> None:
    at = datetime(2026, 11, 24, hour, 40, tzinfo=UTC)
    cadence_s = far_cadence_s(at)
    assert 3600 <= cadence_s <= 86_400
    wait_s = cadence_s - int(at.timestamp()) % cadence_s
    assert wait_s > 11 * 3600


def test_lag_is_measured_on_the_topics_that_each_service_reads() -> None:
    read = {
        "gateway": GATEWAY_TOPICS,
        "matching": MATCHING_TOPICS,
        "ledger": LEDGER_TOPICS,
        "auditor": AUDITOR_TOPICS,
    }
    assert {name: set(topics) for name, topics in READS.items()} == {
        name: set(topics) for name, topics in read.items()
    }


def test_money_is_followed_from_hold_to_escrow_and_back() -> None:
    turnover: list[Json] = [
        {"purpose": "deposit", "kind": "single", "amount": 100, "pending": 0},
        {"purpose": "hold_placed", "kind": "hold", "amount": 60, "pending": 0},
        # An amendment took a hold of 10 over into one of 15 (of the 60); a capture of 30 out of
        # 40 left 4 in a new hold; a hold of 5 was not needed at all.
        {"purpose": "hold_replaced", "kind": "void", "amount": 0, "pending": 10},
        {"purpose": "hold_captured", "kind": "post", "amount": 30, "pending": 40},
        {"purpose": "hold_kept", "kind": "hold", "amount": 4, "pending": 0},
        {"purpose": "hold_released", "kind": "void", "amount": 0, "pending": 5},
        {"purpose": "delivery_paid", "kind": "single", "amount": 19, "pending": 0},
        {"purpose": "fee", "kind": "single", "amount": 1, "pending": 0},
        {"purpose": "premium_credit", "kind": "single", "amount": 3, "pending": 0},
    ]
    balances: list[Json] = [
        {"name": "cny:a", "role": "enterprise", "posted": 70, "reserved": 9},
        {"name": "cny:p", "role": "provider", "posted": 19, "reserved": 0},
        {"name": "escrow:m", "role": None, "posted": 10, "reserved": 0},
        {"name": "fees:m", "role": None, "posted": 1, "reserved": 0},
        {"name": "policy:m", "role": None, "posted": 4, "reserved": 0},
        {"name": "premiums:m", "role": None, "posted": -6, "reserved": 0},
        {"name": "bank", "role": None, "posted": -100, "reserved": 0},
    ]
    rounds: list[Json] = [
        {"round_id": "m:1", "captured": 30, "links": 0, "charges": 7},
        {"round_id": "m:2", "captured": 0, "links": 0, "charges": 0},
    ]
    money = money_of(turnover, balances, rounds, fund_least=-2, entries=8, market_id="m")
    assert (money.held, money.captured, money.released, money.reserved) == (50, 30, 11, 9)
    assert money.held == money.captured + money.released + money.reserved
    assert (money.escrow, money.paid, money.fees, money.enterprises) == (10, 19, 1, 70)
    assert (money.captured_by_round, money.links_by_round) == ({"m:1": 30}, {})
    assert (money.charges, money.charges_due, money.credited) == (7, 6, 3)
    assert (money.fund, money.fund_least) == (4, -2)


# --- words ------------------------------------------------------------------------------------


def test_amounts_and_shares_read_well_in_both_languages() -> None:
    assert words.money(1_234_567_000_000) == ("1.23 M yuan", "123.5 万元")
    assert words.money(45_600_000_000) == ("45.6 k yuan", "4.6 万元")
    assert words.money(12_500_000) == ("12.50 yuan", "12.50 元")
    assert words.percent_of_ppm(0) == "0 %"
    assert words.percent_of_ppm(17) == "0.0017 %"
    assert words.percent_of_ppm(123_456) == "12.35 %"


def test_times_are_beijing_s_and_name_the_next_day() -> None:
    assert words.clock(START) == "00:00"
    assert words.hour_label(START + timedelta(hours=30), START) == "06:00 +1d"
