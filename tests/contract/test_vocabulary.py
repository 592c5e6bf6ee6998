"""Every code that people read has its words once, in both languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

from schemas.api import RoundView
from schemas.direct_logins import DirectLoginView
from schemas.events import FindingRaised
from schemas.identity import Scope
from schemas.life import LifeStep
from schemas.policy_costs import PolicySimulationView, RoundPolicyCosts
from schemas.types import OrderState, Role
from schemas.webhooks import AttemptError, WebhookState
from services.core.surveillance.cases import CaseKind
from suanli import vocabulary
from suanli.vocabulary import reported, words

if TYPE_CHECKING:
    from pydantic import BaseModel

    from suanli.vocabulary import Table

TABLES = {
    name: table
    for name, table in vars(vocabulary).items()
    if isinstance(table, dict) and name.isupper()
}


def codes(model: type[BaseModel], field: str) -> set[str]:
    """Return what a field of the contract may say."""
    return set(get_args(model.model_fields[field].annotation))


@pytest.mark.parametrize(
    ("said", "table"),
    [
        (set(OrderState), vocabulary.ORDER_STATES),
        (set(Role), vocabulary.ROLES),
        (set(Scope), vocabulary.SCOPES),
        (set(CaseKind), vocabulary.CASE_KINDS),
        (codes(LifeStep, "kind"), vocabulary.STEPS),
        (codes(FindingRaised, "kind"), vocabulary.FINDINGS),
        (codes(RoundView, "state"), vocabulary.ROUND_STATES),
        (codes(DirectLoginView, "state"), vocabulary.LOGIN_STATES),
        (set(get_args(WebhookState)), vocabulary.WEBHOOK_STATES),
        (set(get_args(AttemptError)), vocabulary.DELIVERY_ERRORS),
        (codes(RoundPolicyCosts, "state"), vocabulary.STUDY_STATES),
        (codes(PolicySimulationView, "state"), vocabulary.STUDY_STATES),
    ],
)
def test_every_code_of_the_contract_has_its_words(said: set[str], table: Table) -> None:
    assert said
    assert {str(code) for code in said} <= table.keys()


@pytest.mark.parametrize("name", TABLES)
def test_words_are_english_and_chinese(name: str) -> None:
    for code, (en, zh) in TABLES[name].items():
        assert en.isascii(), code
        assert re.search(r"[一-鿿]", zh), code


def test_a_code_that_has_no_words_is_seen_as_it_is() -> None:
    assert words("new_code", vocabulary.STEPS) == ("new_code", "new_code")


def test_a_cell_of_a_report_has_words_only_in_columns_of_codes() -> None:
    assert reported("side", "buyer") == ("buyer", "买方")
    assert reported("flow", "imported") == ("imported", "输入")
    assert reported("origin", "imported") == ("imported", "进口")
    assert reported("participants", "open") == ("open", "open")
