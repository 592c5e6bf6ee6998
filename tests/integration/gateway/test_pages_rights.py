"""Who gets which page, asked over HTTP with a session, without a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import httpx

from schemas.events import AllocationMade
from services.gateway.adapters.pages.context import SESSION_COOKIE
from services.gateway.main import build
from tests.integration.gateway.conftest import OPERATOR_KEY, Gateway, Market, demand
from tests.integration.gateway.test_funds import show, two_days
from tests.integration.gateway.test_mobilisations import MOBILISATIONS, flood, proposed
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_reports import allocation, closed, sealed

# Lists as files: what regulators and the operator see, and nobody else.
BOTH_SEE = (
    *("acts/csv", "acts/csv?participant_id=operator", "erasures/csv", "findings/csv"),
    *("findings/csv?only=problems", "journal/csv", "journal/csv?q=enterprise-1", "letters/csv"),
    *("participants/csv", "participants/csv?role=provider&status=active", "mobilisations/csv"),
)
_PROOF = re.compile(r'name="proof" value="([0-9a-f]+)"')
_FIELD = re.compile(r'name="(\w+)"[^>]* value="([^"]*)"')


@dataclass(slots=True)
class Visit:
    """A session of somebody who signed in."""

    gateway: Gateway
    token: str
    proof: str = ""

    async def get(self, path: str, language: str = "en", **headers: str) -> httpx.Response:
        cookie = {"Cookie": f"{SESSION_COOKIE}={self.token}", "Accept-Language": language}
        reply = await self.gateway.http.get(path, headers=cookie | headers)
        self.gateway.http.cookies.clear()
        found = _PROOF.search(reply.text)
        self.proof = found[1] if found else self.proof
        return reply

    async def post(self, path: str, **fields: str) -> httpx.Response:
        headers = {
            "Cookie": f"{SESSION_COOKIE}={self.token}",
            "Accept-Language": "en",
            "Origin": "http://gateway",
        }
        body = {"proof": self.proof} | fields
        reply = await self.gateway.http.post(path, data=body, headers=headers)
        self.gateway.http.cookies.clear()
        return reply


async def signed_in(gateway: Gateway, key: str) -> Visit:
    page = await gateway.http.get("/sign-in")
    visit = Visit(gateway, page.cookies[SESSION_COOKIE])
    gateway.http.cookies.clear()
    found = _PROOF.search(page.text)
    assert found is not None
    visit.proof = found[1]
    reply = await visit.post("/sign-in", key=key, to="/desk")
    assert reply.status_code == 303, reply.text
    return Visit(gateway, reply.cookies.get(SESSION_COOKIE) or _cookie(reply))


def _cookie(reply: httpx.Response) -> str:
    return reply.headers["set-cookie"].partition("=")[2].partition(";")[0]


async def test_each_role_gets_its_own_pages_and_nobody_anothers_orders(market: Market) -> None:
    gateway = market.gateway
    sent = await gateway.submit("demand", demand(), market.enterprise, "mine")
    order = sent.json()["order_id"]
    other = await gateway.admit("enterprise-2", "enterprise")
    visits = {
        "provider": await signed_in(gateway, market.provider),
        "enterprise": await signed_in(gateway, market.enterprise),
        "other": await signed_in(gateway, other),
        "regulator": await signed_in(gateway, market.regulator),
        "operator": await signed_in(gateway, OPERATOR_KEY),
    }
    traders = {"provider", "enterprise", "other"}
    enterprises = {"enterprise", "other"}
    seen = {
        "/desk": set(visits),
        "/orders": traders,
        "/orders/parts": traders,
        "/orders/csv?state=live&filter=state=accepted": traders,
        "/money": traders,
        "/money/csv/days": traders,
        "/money/csv/sites": {"provider"},
        "/money/csv/budgets": enterprises,
        "/keys": traders,
        "/keys/csv": traders,
        "/members": traders | {"regulator"},
        "/members?of=provider-1": {"provider", "operator"},
        "/members/csv": traders | {"regulator"},
        "/demand/new": enterprises,
        "/offers/new": traders,  # enterprises sell on what they bought
        "/offers/upload": {"provider"},
        "/offers/template": {"provider"},
        f"/orders/{order}": {"enterprise", "regulator", "operator"},
        f"/orders/{order}/csv/timeline": {"enterprise", "regulator", "operator"},
        f"/orders/{order}/amend": {"enterprise"},
        f"/demand/new?copy={order}": {"enterprise"},
        **{f"/office/{name}": {"regulator", "operator"} for name in BOTH_SEE},
        "/office/cases/csv?state=open": {"regulator"},
    }
    for path, may in seen.items():
        for name, visit in visits.items():
            reply = await visit.get(path)
            assert (reply.status_code == 200) is (name in may), (path, name, reply.status_code)
            if (path, name) != ("/members", "operator"):  # led to those whose it looks after
                assert reply.status_code in (200, 403, 404), (path, name, reply.text)
        nobody = await gateway.http.get(path)
        assert nobody.status_code == 303, path
    # What a script asks for after the session's end says so in its place, and not by a page.
    part = await Visit(gateway, "0" * 64).get("/orders/parts", **{"HX-Request": "true"})
    assert part.status_code == 401
    assert "<html" not in part.text
    # Whoever sees all changes nothing, and one trader nothing of another's.
    for name in ("regulator", "operator", "other", "provider"):
        await visits[name].get("/desk")
        for act in ("cancel", "amend"):
            refused = await visits[name].post(f"/orders/{order}/{act}", key="k")
            assert refused.status_code in (403, 404), (name, act, refused.status_code)
    view = (await gateway.call("GET", f"/v1/demand/{order}", key=market.enterprise)).json()
    assert view.get("cancel_requested_at") is None


async def test_lists_come_as_files_with_what_they_show(market: Market) -> None:
    visit = await signed_in(market.gateway, OPERATOR_KEY)
    people = await visit.get("/office/participants/csv?role=provider")
    head, row = people.text.splitlines()
    assert head.startswith("participant_id,")
    assert row.startswith("provider-1,")
    acts = await visit.get("/office/acts/csv")
    assert "register_participant" in acts.text or "operator" in acts.text
    trader = await signed_in(market.gateway, market.provider)
    keys = await trader.get("/keys/csv")
    assert "key_" in keys.text
    assert "sk_" not in keys.text
    # Rounds are public, and there is none yet.
    rounds = await market.gateway.http.get("/rounds/csv")
    assert (rounds.status_code, rounds.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    # The bootstrap key has no members of its own; it is led to those whose it looks after.
    members = await visit.get("/members")
    assert (members.status_code, members.headers["location"]) == (303, "/office/participants")


async def test_an_enterprise_that_a_need_names_composes_urgent_demand_under_it(
    market: Market,
) -> None:
    gateway = market.gateway
    made = await proposed(gateway, flood(), market.regulator)
    need = made["mobilisation_id"]
    mine = await signed_in(gateway, market.enterprise)
    assert "Flood forecast" not in (await mine.get("/desk")).text
    assert (await mine.get(f"/demand/new?need={need}")).status_code == 404
    confirmed = await gateway.call("POST", f"{MOBILISATIONS}/{need}/confirm")
    assert confirmed.json()["state"] == "declared"
    for path in ("/desk", "/demand/new"):
        assert f'href="/demand/new?need={need}"' in (await mine.get(path)).text, path
    form = await mine.get(f"/demand/new?need={need}")
    fields = dict(_FIELD.findall(form.text))
    assert (fields["a0_limit"], fields["deadline"]) == ("12", "2026-11-25T17:00")
    assert '<option value="urgent" selected>' in form.text
    # As it is filled in, it is an urgent demand that is taken.
    sent = await mine.post(
        "/demand/new",
        **{name: fields[name] for name in ("key", "market", "earliest", "deadline", "a0_limit")},
        alternatives="1",
        shape="block",
        block_chips="8",
        block_duration="4",
        priority="urgent",
        a0_chips="h800",
        a0_regions="beijing",
    )
    assert sent.status_code == 303, sent.text
    # To whom it does not name, it is no need.
    stranger = await signed_in(gateway, await gateway.admit("enterprise-2", "enterprise"))
    assert "Flood forecast" not in (await stranger.get("/desk")).text
    assert (await stranger.get(f"/demand/new?need={need}")).status_code == 404


async def test_a_demand_with_a_budget_shows_what_it_has_come_to(market: Market) -> None:
    gateway = market.gateway
    body = demand(budget=4_000_000_000)
    sent = (await gateway.submit("demand", body, market.enterprise, "b")).json()
    receipt = {"order_id": sent["order_id"], "participant_id": "enterprise-1"}
    hours = [{"start": "2026-11-24T09:00:00Z", "chips": 4, "price": 10_000_000}]
    made = allocation().model_dump() | {"demand_id": sent["order_id"], "periods": hours}
    told = status_of(receipt, state="part-filled", chip_hours_allocated=4, chip_hours_left=28)
    await gateway.publish(
        sealed(), AllocationMade.model_validate(made | {"payment": 40_000_000}), closed(), told
    )
    visit = await signed_in(gateway, market.enterprise)

    async def rows() -> list[str]:
        return (await visit.get("/money/csv/budgets")).text.splitlines()[1:]

    wanted = [f"{sent['order_id']},4000,0,40,4,28"]
    assert await gateway.eventually(rows, lambda found: found == wanted) == wanted
    page = (await visit.get("/money")).text
    assert "Budgets of live demand" in page
    assert "¥4,000.00" in page
    # Who sells hours on owes penalties, too, and puts up collateral for them.
    assert "Whoever sells hours on owes the penalty" in page
    moved = await visit.post("/money/collateral", amount="20", direction="in", key="c1")
    assert (moved.status_code, moved.headers["location"]) == (303, "/money?ordered=true")


async def test_a_key_that_only_reads_looks_and_is_told_what_it_lacks(market: Market) -> None:
    gateway = market.gateway
    made = await gateway.call(
        "POST",
        "/v1/participants/enterprise-1/keys",
        {"label": "reader", "scopes": ["read"]},
        key=market.enterprise,
    )
    visit = await signed_in(gateway, made.json()["api_key"])
    form = await visit.get("/demand/new")
    assert "may look but not trade" in form.text
    assert "hx-post" not in form.text
    assert "lacks the scope admin" in (await visit.get("/keys")).text
    for path in ("/demand/new", "/demand/preview", "/keys"):
        refused = await visit.post(path, shape="block")
        assert refused.status_code == 403, path
        assert "scope: must include" in refused.text
    # Here the money is real: there is none for the asking. In a sandbox there is, once a form.
    trader = await signed_in(gateway, market.enterprise)
    assert "top-up" not in (await trader.get("/money")).text
    assert (await trader.post("/money/top-up", key="k")).status_code == 404
    settings = gateway.settings.model_copy(update={"gateway_sandbox": True})
    app = build(settings, gateway.clock, gateway.pool, gateway.reader, gateway.writer)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        trader.gateway = replace(gateway, http=http)
        assert "top-up" in (await trader.get("/money")).text
        for _ in range(2):
            assert (await trader.post("/money/top-up", key="k")).status_code == 303
    claims = "SELECT count(*) FROM idempotency WHERE key LIKE 'sandbox-%'"
    assert await gateway.pool.fetchval(claims) == 1


async def test_statements_and_invoices_are_those_of_the_ledger(gateway: Gateway) -> None:
    lab = await gateway.admit("lab", "enterprise")
    await show(gateway, two_days())
    visit = await signed_in(gateway, lab)
    money = (await visit.get("/money?from=2026-11-20&to=2026-11-30")).text
    for invoice in (await gateway.call("GET", "/v1/account/invoices", key=lab)).json()["items"]:
        assert f'href="/money/invoices/{invoice["day"]}"' in money
        page = await visit.get(f"/money/invoices/{invoice['day']}", "zh")
        assert str(invoice["number"] or "草稿") in page.text
        csv = await visit.get(f"/money/csv/invoice?day={invoice['day']}")
        assert len(csv.text.splitlines()) == invoice["lines"] + 1
        assert ("链路拥塞租金" in page.text) == bool(invoice["link_rent"])
    entries = await visit.get("/money/csv/statement?from=2026-11-20&to=2026-11-30")
    query = "from=2026-11-19T16:00:00Z&to=2026-11-30T16:00:00Z&limit=500"
    told = await gateway.call("GET", f"/v1/account/statement/entries?{query}", key=lab)
    assert len(entries.text.splitlines()) == len(told.json()["items"]) + 1 > 5
    assert (await visit.get("/money?from=yesterday")).status_code == 422
