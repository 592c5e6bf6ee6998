"""What the services of `make up` take over from its environment."""

from __future__ import annotations

import pytest

from infra.local.exchange import KEEPER, kept

SET = {
    "PATH": "/bin",
    "SUANLI_GATEWAY_OIDC_ISSUERS": "http://localhost:8180/realms/suanli",
    "SUANLI_GATEWAY_OIDC_CLIENT_SECRET": "secret",
    "SUANLI_GATEWAY_WEBHOOK_HOSTS": "hooks.lab.example",
    "SUANLI_POSTGRES_DSN": "postgresql://elsewhere",
}


@pytest.mark.parametrize("kind", ["gateway", KEEPER])
def test_a_gateway_and_who_starts_it_again_trust_what_the_environment_names(kind: str) -> None:
    assert kept(kind, SET) == {
        name: text for name, text in SET.items() if name != "SUANLI_POSTGRES_DSN"
    }


def test_other_services_learn_nothing_that_is_the_gateways_alone() -> None:
    assert kept("ledger", SET) == {"PATH": "/bin"}
