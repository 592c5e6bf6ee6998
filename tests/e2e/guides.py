"""What the guides and the reference show, run against a sandbox as it stands.

Ids in a page are made up: one letter, many times. Here is what each of them stands for.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import suanli
from tests.e2e import snippets

# Each is run by whoever it is for; the rest say who they are.
PAGES = {
    "docs/guides/enterprise.md": "enterprise",
    "docs/guides/provider.md": "provider",
    "docs/reference/cli.md": "enterprise",
    "docs/reference/transparency-log.md": "enterprise",
    "docs/reference/webhooks.md": "enterprise",
    "docs/guides/regulator.md": "regulator",
    "docs/reference/scenarios.md": "regulator",
    "docs/guides/operator.md": "operator",
}
YUAN = 1_000_000
MARKET = "jjj-spot"
_ENTRY = "31662ecc-[0-9a-f-]+"
_BOOKED_S_MAX = 30.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class People:
    """A client of each role, and where the exchange keeps what it holds.

    Attributes:
        clients: By role.
        filled: A demand that was filled, of the enterprise.
        state_dir: The exchange's folder.
    """

    clients: dict[str, suanli.Client]
    filled: Json
    state_dir: Path


def run(people: People, home: Path) -> list[str]:
    """Run all pages, one after the other; return what did not end as it should."""
    people.clients["provider"].take_play_money(10_000 * YUAN)
    (home / "receipt.json").write_text(json.dumps(people.filled), encoding="utf-8")
    (home / "tests").symlink_to(snippets.ROOT / "tests")
    wrong = []
    for page, role in PAGES.items():
        # What one page withdraws another one shows again.
        stands_for = _stands_for(people)
        if role == "operator":
            stands_for |= _of_acme(people.clients["operator"])
        entering = snippets.Block(page, "sh", f". var/local/clients/{role}.env\n")
        wrong += snippets.run_shell([entering, *snippets.blocks(page)], home, stands_for)
    return wrong


def _of_acme(operator: suanli.Client) -> dict[str, str]:
    more = {"resource_code": "CN.11.0108.ACME-AI", "beneficial_owner": "acme-group"}
    key_id, entry_id = _admitted(operator, "acme-ai", **more)
    other_id, _ = _admitted(operator, "acme-lab")
    return {_ENTRY: entry_id, "key_k{16}": key_id, "key_l{16}": other_id}


def _stands_for(people: People) -> dict[str, str]:
    enterprise, provider = people.clients["enterprise"], people.clients["provider"]
    operator = people.clients["operator"]
    now = datetime.now(UTC)
    days = {
        f"2026-11-{24 + ahead}": (now + timedelta(days=ahead)).strftime("%Y-%m-%d")
        for ahead in range(3)
    }
    filled = str(people.filled["order_id"])
    (allocation, *_) = enterprise.list_allocations(order_id=filled)
    round_id = allocation["round_id"]
    local, file = "python -m infra.local", f"{round_id.replace(':', '-')}.round.json"
    (entry, *_) = enterprise.list_entries()
    return {
        "2026-11-24T09:07:00Z": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dem_d{26}": filled,
        "dem_e{26}": _open_demand(enterprise),
        "off_f{26}": _open_offer(provider),
        "mob_m{26}": _proposed(operator),
        _ENTRY: entry["entry_id"],
        r"jjj-spot:2\b": round_id,
        r"jjj-spot-2\b": round_id.replace(":", "-"),
        # One of the rounds that the regulator has downloaded: each is cleared anew, several times.
        r"(policy cost|policy simulate|replay) rounds/": rf"\1 rounds/{file}",
        r"--round 17\b": f"--round {round_id.partition(':')[2]}",
        "--rounds 100-180": "--rounds 2-4",
        r"\$SUANLI_LOG_KEY": operator.get_log_key()["key"],
        r"\$SUANLI_RECEIPT_KEY": operator.get_receipt_key()["public_key"],
        r"\.venv/bin/python -m infra\.local env": f"{local} env --state-dir {people.state_dir}",
        **days,
    }


def _hour(ahead: int) -> str:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return (now + timedelta(hours=ahead)).isoformat()


def _open_demand(enterprise: suanli.Client) -> str:
    # For less than anybody asks.
    receipt = enterprise.submit_demand(
        MARKET,
        {
            "shape": {"type": "block", "chips": 2, "duration": 2},
            "alternatives": [{"chips_any_of": ["ascend-910b"], "limit": YUAN}],
            "earliest": _hour(3),
            "deadline": _hour(12),
        },
    )
    return str(receipt["order_id"])


def _open_offer(provider: suanli.Client) -> str:
    receipt = provider.submit_offer(
        MARKET,
        {
            "zone": "bj-haidian",
            "chip": "ascend-910b",
            "chips": 8,
            # Later than the pages' demands reach: a round may come between a page's change and its
            # withdrawal.
            "start": _hour(40),
            "end": _hour(46),
            # For more than anybody pays.
            "ask": 190 * YUAN,
            "resource_code": "CN.11.0108.BJ01-A910B",
        },
    )
    return str(receipt["order_id"])


def _proposed(operator: suanli.Client) -> str:
    terms: Any = {
        "regions": ["beijing"],
        "participants": ["cloud-app-00"],
        "price_cap": 15 * YUAN,
        "start": _hour(1),
        "end": _hour(13),
        "reason": "Flood forecast",
    }
    return str(operator.propose_mobilisation(MARKET, terms)["mobilisation_id"])


def _admitted(operator: suanli.Client, participant_id: str, **more: str) -> tuple[str, str]:
    """Admit an enterprise with some money; return a key's id and the entry of its deposit."""
    name = participant_id.replace("-", " ").title().replace("Ai", "AI")
    body: Any = {"participant_id": participant_id, "role": "enterprise", "name": name, **more}
    operator.register(body)
    made = operator.add_key(participant_id, label="old laptop")
    operator.deposit(participant_id, 10 * YUAN, "before the page")
    until_s = time.monotonic() + _BOOKED_S_MAX
    while not (booked := list(operator.list_entries(participant_id=participant_id))):
        assert time.monotonic() < until_s
        time.sleep(0.2)
    return str(made["key"]["key_id"]), str(booked[0]["entry_id"])
