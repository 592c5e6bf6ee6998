"""What a service's login may do is what the service's statements do."""

from __future__ import annotations

from pathlib import Path

import pytest

import services
from services.kit.logins import rights_in, statements_below

ADAPTERS = Path(services.__file__).parent


@pytest.mark.parametrize(
    ("statement", "rights"),
    [
        ("SELECT * FROM orders", {}),
        ("INSERT INTO orders SELECT 1", {"orders": {"INSERT"}}),
        (
            "INSERT INTO orders AS o VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 1",
            {"orders": {"INSERT", "UPDATE"}},
        ),
        ("INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING", {"orders": {"INSERT"}}),
        ("update Orders SET x = 1", {"orders": {"UPDATE"}}),
        ("DELETE FROM orders AS o USING other", {"orders": {"DELETE"}}),
        (
            "WITH gone AS (DELETE FROM a RETURNING n) INSERT INTO b SELECT n FROM gone",
            {"a": {"DELETE"}, "b": {"INSERT"}},
        ),
        ("SELECT 1 FROM a JOIN b USING (n) FOR UPDATE", {"a": {"UPDATE"}, "b": {"UPDATE"}}),
        ("SELECT 1 FROM a FOR NO KEY UPDATE SKIP LOCKED", {"a": {"UPDATE"}}),
        ("-- DELETE FROM orders\nSELECT 1", {}),
    ],
)
def test_the_rights_are_what_a_statement_does_to_each_table(
    statement: str, rights: dict[str, set[str]]
) -> None:
    assert rights_in([statement]) == {name: frozenset(verbs) for name, verbs in rights.items()}


@pytest.mark.parametrize(
    ("service", "table", "verbs"),
    [
        ("gateway", "admin_act", {"INSERT"}),
        ("gateway", "log_fork", {"INSERT"}),
        ("matching", "intake", {"INSERT"}),
        ("auditor", "verdict", {"INSERT"}),
        ("auditor", "finding", {"INSERT"}),
    ],
)
def test_what_is_only_ever_added_can_only_be_added(
    service: str, table: str, verbs: set[str]
) -> None:
    found = rights_in(statements_below(ADAPTERS / service / "adapters"))
    assert found[table] == verbs
