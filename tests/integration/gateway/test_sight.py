"""Who sees what, with the gateway's own checks switched off: the database shows nobody's else."""

from __future__ import annotations

import re

import pytest

from schemas.money import AllocationSettled, MoneyRefused
from schemas.transparency import JournalEntrySalted
from services.gateway.adapters import sight
from services.gateway.app import books_then, funds, life, log, reading
from services.gateway.ports import Principal
from services.kit.postgres import Pool
from tests.integration.gateway.conftest import Gateway, Market, demand, offer
from tests.integration.gateway.test_life import HOUR, filled
from tests.integration.gateway.test_life import life as read_life

# Table -> rows that the provider and the enterprise of `story` see of it.
PRIVATE = {
    "orders": (1, 1),
    "order_shown": (1, 1),
    "order_terms": (1, 1),
    "order_event": (2, 4),
    "allocation": (1, 1),
    "delivered_period": (0, 0),
    "account": (0, 1),
    "account_entry": (0, 2),
    "statement_posting": (0, 1),
    "journal_entry": (0, 2),
    "settlement": (1, 1),
    "settlement_entry": (1, 1),
    "link_entry": (0, 2),
    "charge": (2, 4),
    "money_refused": (0, 1),
    "participant": (1, 1),
}
NOTHING = (
    *("provider_fee", "enterprise_fee", "refund", "penalty", "compensation"),
    *("provider_owes", "enterprise_owes"),
)
NEVER = ("api_key", "idempotency", "schema_migrations")
HIDDEN = re.compile(r"provider-1|enterprise-1|off_[a-z2-7]{26}|dem_[a-z2-7]{26}")


def captured(need: dict[str, str]) -> list[JournalEntrySalted]:
    """Return what a round captures for a demand, and what of it goes to links: leaves 1 to 3."""
    sides = {
        "hold_captured": ("cny:enterprise-1", "escrow:jingjinji", 607),
        "link_tariff": ("escrow:jingjinji", "links:jingjinji", 5),
        "link_rent": ("escrow:jingjinji", "rents:jingjinji", 2),
    }
    return [
        JournalEntrySalted.model_validate(
            {"entry_id": f"e-{leaf + 1}", "kind": "single", "purpose": purpose}
            | {"unit": "CNY-micro", "order_id": need["order_id"], "round_id": "jingjinji:1"}
            | {"market_id": "jingjinji", "amount": amount, "leaf_index": leaf, "cause": "c"}
            | {
                "salt": "cd" * 32,
                "postings": [
                    {"account": debit, "layer": "posted", "amount": amount, "balance_after": 607},
                    {"account": credit, "layer": "posted", "amount": -amount, "balance_after": 0},
                ],
            }
        )
        for leaf, (purpose, (debit, credit, amount)) in enumerate(sides.items(), 1)
    ]


async def story(market: Market) -> dict[str, str]:
    """Make one order of each side, fill both, hold, capture and settle; return the ids."""
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    need = (await gateway.submit("demand", demand(), market.enterprise, "k2")).json()
    await filled(gateway, need, supply)
    reason = {"code": "settle.short", "en": "no", "zh": "否"}
    whose = {"order_ref": "wdr_" + "a" * 26, "participant_id": "enterprise-1"}
    refused = whose | {"amount": 5, "free": 1}
    settled = {
        "settlement_id": "s-1",
        "allocation_id": "al_" + "a" * 26,
        "round_id": "jingjinji:1",
        "market_id": "jingjinji",
        "demand_id": need["order_id"],
        "enterprise_id": "enterprise-1",
        "provider_id": "provider-1",
        "lapsed": False,
        "periods": [{"start": HOUR, "chips": 2, "delivered": 2, "price": 300}],
        "paid": 600,
        "terms_version": None,
    }
    # What is paid for links before what it is paid of, as when one partition is read faster.
    for entry in reversed(captured(need)):
        await gateway.publish(entry)
    await gateway.publish(
        MoneyRefused.model_validate(refused | {"reason": reason}),
        AllocationSettled.model_validate(settled | dict.fromkeys(NOTHING, 0)),
    )
    await read_life(gateway, need["order_id"], market.enterprise, 6)
    await gateway.eventually(
        lambda: gateway.pool.fetchval("SELECT count(*) FROM settlement"), lambda found: found == 1
    )
    await gateway.eventually(
        lambda: gateway.pool.fetchval("SELECT count(*) FROM money_refused"), lambda n: n == 1
    )
    await gateway.eventually(
        lambda: gateway.pool.fetchval("SELECT count(enterprise_id) FROM link_entry"),
        lambda n: n == 2,
    )
    return {"off": supply["order_id"], "dem": need["order_id"]}


async def counts(reader: Pool, identity: str) -> dict[str, int]:
    token = sight._sight.set(identity)
    try:
        return {
            table: await reader.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in PRIVATE
        }
    finally:
        sight._sight.reset(token)


async def test_the_database_shows_each_identity_its_own_rows_and_nobody_none(
    market: Market,
) -> None:
    await story(market)
    reader = market.gateway.reader
    own = zip(*PRIVATE.values(), strict=True)
    for identity, wanted in zip(("provider-1", "enterprise-1"), own, strict=True):
        found = await counts(reader, identity)
        assert found == dict(zip(PRIVATE, wanted, strict=True)), identity
    for identity in (
        "",
        "regulator-1",
        "provider-2",
        "' OR true --",
        "cny:enterprise-1",
        "%",
        "**",
    ):
        found = await counts(reader, identity)
        del found["participant"]
        assert set(found.values()) == {0}, identity
    everything = await counts(reader, "*")
    whole = {
        table: await market.gateway.pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        for table in PRIVATE
    }
    assert everything == whole


async def test_a_connection_has_the_identity_of_whoever_takes_it(gateway: Gateway) -> None:
    shown = "SELECT current_setting('suanli.participant_id', true) AS identity, current_user"
    seen = []
    for identity in ("provider-1", "", "enterprise-1"):
        token = sight._sight.set(identity)
        seen += await gateway.reader.fetch(shown)
        sight._sight.reset(token)
    assert [row["identity"] for row in seen] == ["provider-1", "", "enterprise-1"]
    assert {row["current_user"] for row in seen} == {gateway.settings.schema_of("gateway_reader")}


@pytest.mark.parametrize("table", NEVER)
async def test_the_reader_is_shown_no_keys_and_writes_nothing(gateway: Gateway, table: str) -> None:
    async with gateway.reader.acquire() as conn:
        refused = {
            f"SELECT * FROM {table}",  # noqa: S608
            "DELETE FROM orders",
            "UPDATE account SET posted = 0",
            "INSERT INTO journal_entry VALUES (9, '', '')",
            "TRUNCATE allocation",
            "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
            "DROP POLICY reader ON orders",
        }
        for sql in refused:
            with pytest.raises(Exception, match=r"permission denied|must be owner"):
                await conn.execute(sql)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the gateway's own checks of sight away, as a bug might."""
    monkeypatch.setattr(Principal, "sees_all", property(lambda _: True))
    for module in (reading, funds, life, log, books_then):
        for name in ("require_sight", "require_own", "require_role"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda *_, **__: None)


def reads(ids: dict[str, str]) -> list[str]:
    """Return every read of what belongs to participants, with others' ids."""
    period = "from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z"
    whose = [f"participant_id={name}" for name in ("provider-1", "enterprise-1")]
    about = [
        path
        for owner in whose
        for path in (
            f"/v1/account?{owner}",
            f"/v1/account/entries?{owner}",
            f"/v1/account/statement?{owner}&{period}",
            f"/v1/account/statement/entries?{owner}&{period}",
            f"/v1/account/invoices?{owner}",
            f"/v1/account/invoices/2026-11-24?{owner}",
            f"/v1/account/invoices/2026-11-24/lines?{owner}",
            f"/v1/settlements?{owner}",
            f"/v1/refusals?{owner}",
        )
    ]
    orders = [
        path
        for order_id in ids.values()
        for path in (
            f"/v1/orders/{order_id}/history",
            f"/v1/orders/{order_id}/life",
            f"/v1/orders/{order_id}/versions",
            f"/v1/allocations?order_id={order_id}",
        )
    ]
    return [
        *about,
        *orders,
        f"/v1/offers/{ids['off']}",
        f"/v1/demand/{ids['dem']}",
        *("/v1/offers", "/v1/demand", "/v1/allocations", "/v1/journal", "/v1/log/proof/0"),
        "/v1/money-orders/wdr_" + "a" * 26,
        "/v1/log/tile/entries/000.p/1",
        "/v1/log/proof/e-1",
    ]


@pytest.mark.usefixtures("unchecked")
async def test_with_its_checks_off_no_read_of_the_gateway_shows_what_is_others(
    market: Market,
) -> None:
    ids = await story(market)
    gateway = market.gateway
    stranger = await gateway.admit("provider-2", "provider")
    for path in reads(ids):
        reply = await gateway.call("GET", path, key=stranger)
        asked = path + reply.request.url.path
        leaked = {
            found
            for found in HIDDEN.findall(reply.text)
            if reply.status_code == 200 and found not in asked
        }
        assert not leaked, f"{path}: {reply.text[:300]}"
        body = reply.json() if "json" in reply.headers["content-type"] else {}
        assert not body.get("items"), path
        if path.startswith("/v1/account?"):
            assert (body["posted"], body["held"], body["entries"]) == (0, 0, 0)


@pytest.mark.usefixtures("unchecked")
async def test_the_walk_sees_what_is_there_with_an_eye_that_may(market: Market) -> None:
    """Otherwise the walk above would prove nothing."""
    ids = await story(market)
    seen = 0
    for path in reads(ids):
        reply = await market.gateway.call("GET", path, key=market.regulator)
        seen += reply.status_code == 200 and bool(HIDDEN.search(reply.text))
    assert seen >= 19
