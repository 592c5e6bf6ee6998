from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.demo.checks import checks_of
from infra.demo.facts import Audit, ProcessUse
from tests.unit.demo.days import attempt, make_facts, round_view, shared_facts, verdict

_DAY = make_facts()


def _broken(**changes: Any) -> set[str]:  # noqa: ANN401 - fields of Facts
    return {check.name for check in checks_of(make_facts(**changes)) if not check.ok}


def test_an_honest_day_keeps_every_guarantee() -> None:
    assert _broken() == set()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"verdicts": {**_DAY.verdicts, "m:2": verdict(2, ok=False)}}, "rounds_verified"),
        ({"verdicts": {"m:1": verdict(1), "m:3": verdict(3)}}, "rounds_verified"),
        ({"rounds": (*_DAY.rounds[:2], round_view(3, verified=False))}, "auditor_agrees"),
        (
            {"findings": ({"ok": False, "kind": "x", "summary": {"en": "bad"}},)},
            "auditor_agrees",
        ),
        ({"rounds": (*_DAY.rounds[:2], _DAY.rounds[2] | {"state": "sealed"})}, "rounds_whole"),
        ({"rounds": (_DAY.rounds[0], _DAY.rounds[2])}, "rounds_whole"),
        ({"demands": _DAY.demands[:2]}, "orders_none_lost"),
        ({"demands": (*_DAY.demands, _DAY.demands[0])}, "orders_none_lost"),
        ({"attempts": (*_DAY.attempts, attempt("demand", None, "lost"))}, "orders_none_lost"),
        ({"attempts": _DAY.attempts[:4]}, "orders_none_lost"),
        (
            {"demands": (*_DAY.demands[:2], _DAY.demands[2] | {"state": "accepted"})},
            "orders_settled",
        ),
        ({"resent": (("dem_1", "dem_2"),)}, "resent_once"),
        ({"trials": (replace(_DAY.trials[0], refused=False),)}, "wrong_orders_refused"),
        ({"allocations": _DAY.allocations[:1]}, "payments_agree"),
        ({"money": replace(_DAY.money, captured_by_round={"m:2": 56_000_000})}, "payments_agree"),
        ({"money": replace(_DAY.money, paid=18_999_999)}, "captures_kept"),
        ({"money": replace(_DAY.money, links_by_round={"m:1": 1})}, "payments_agree"),
        ({"money": replace(_DAY.money, links_by_round={"m:1": 1})}, "captures_kept"),
        ({"money": replace(_DAY.money, enterprises=1)}, "money_kept"),
        ({"allocations": (*_DAY.allocations, _DAY.allocations[0])}, "allocations_once"),
        ({"audit": Audit(ok=False, lines=("sum is 1",))}, "ledger_audit"),
        ({"lag": {"matching": 0, "ledger": 3}}, "nothing_pending"),
        ({"lag": {}}, "nothing_pending"),
        ({"dead_letters": 1}, "no_dead_letters"),
        ({"processes": (ProcessUse("ledger", 1, 1, running=False),)}, "services_up"),
        ({"processes": (ProcessUse("ledger", 1, 2, running=True),)}, "services_up"),
        ({"refused_deliveries": ("settle.delivery",)}, "deliveries_taken"),
    ],
)
def test_each_guarantee_notices_its_break(changes: dict[str, object], name: str) -> None:
    assert name in _broken(**changes)


def test_a_share_that_is_paid_for_keeps_every_guarantee() -> None:
    assert {check.name for check in checks_of(shared_facts()) if not check.ok} == set()


@pytest.mark.parametrize(
    ("share", "money", "names"),
    [
        ({"credits": 62}, {}, {"premiums_agree"}),
        ({"charges": 62}, {}, {"premiums_agree"}),
        ({}, {"charges_by_round": {}}, {"premiums_agree", "fund_never_short"}),
        ({"tflops_hours_domestic": 121}, {}, {"shares_told"}),
        ({"region": "beijing"}, {}, {"shares_told"}),
        ({}, {"fund_least": -1}, {"fund_never_short"}),
        ({}, {"fund": 32}, {"fund_never_short", "money_kept"}),
        ({}, {"charges_due": 10}, {"money_kept"}),
    ],
)
def test_each_guarantee_of_premiums_notices_its_break(
    share: dict[str, object], money: dict[str, Any], names: set[str]
) -> None:
    facts = shared_facts(**share)
    facts = replace(facts, money=replace(facts.money, **money))
    assert {check.name for check in checks_of(facts) if not check.ok} == names


def test_a_service_that_was_killed_on_purpose_may_have_started_twice() -> None:
    twice = (ProcessUse("ledger", 1, 2, running=True),)
    assert _broken(processes=twice, killed=("ledger",)) == set()
    # Killed, and nobody started it again.
    assert _broken(processes=(replace(twice[0], starts=1),), killed=("ledger",)) == {"services_up"}


def test_an_order_of_a_trial_is_no_stranger() -> None:
    assert _broken(attempts=_DAY.attempts[:4], trial_orders=("dem_3",)) == set()


def test_a_broken_guarantee_names_what_broke_it_but_not_everything() -> None:
    bad = {f"m:{seq}": verdict(seq, ok=False) for seq in range(1, 7)}
    rounds = tuple(round_view(seq) for seq in range(1, 7))
    (check,) = (
        item
        for item in checks_of(make_facts(rounds=rounds, verdicts=bad))
        if item.name == "rounds_verified"
    )
    assert check.detail == "0 / 6 (m:1, m:2, m:3, +3)"
