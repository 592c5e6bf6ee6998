"""Tokens of a real issuer, and the members that they are of, on the real database."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, OKPKey

from services.gateway.adapters.oidc import OidcTokens
from services.gateway.app.sessions import form_token
from services.gateway.main import build
from services.kit.clock import ManualClock
from tests.integration.gateway.conftest import NOW, Gateway, Json, Market, offer
from tests.issuer import CLIENT, Issuer, rsa_key

MEMBERS = "/v1/participants/provider-1/members"


def by_public_key(body: str, issuer: Issuer) -> str:
    """Return a token that the public key signs as if it were a shared secret."""
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').decode().rstrip("=")
    secret = issuer.keys[0].as_pem(private=False)
    mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as found:
        yield found


@dataclass(frozen=True, slots=True)
class Trusting:
    """The market's gateway with an issuer that it trusts."""

    gateway: Gateway
    issuer: Issuer
    market: Market
    tokens: OidcTokens

    async def add(self, *scopes: str, key: str = "", **changes: Any) -> httpx.Response:  # noqa: ANN401
        body = {"issuer": self.issuer.url, "subject": self.issuer.subject, "name": "Li Hua"}
        body |= {"scopes": list(scopes)} | changes
        return await self.gateway.call("POST", MEMBERS, body, key=key or self.market.provider)

    async def told(self, token: str, path: str = "/v1/offers") -> tuple[int, str]:
        reply = await self.gateway.call("GET", path, key=token)
        code = "" if reply.is_success else reply.json()["code"]
        assert reply.is_success or reply.json()["detail_zh"] != reply.json()["detail_en"]
        return reply.status_code, code


@pytest_asyncio.fixture
async def trusting(market: Market, issuer: Issuer) -> AsyncIterator[Trusting]:
    mine = market.gateway
    settings = mine.settings.model_copy(update={"gateway_oidc_issuers": issuer.url})
    app = build(settings, mine.clock, mine.pool, mine.reader, mine.writer)
    door = app.state.api.door
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        gateway = Gateway(
            http, mine.pool, mine.reader, mine.writer, settings, mine.clock, mine.service
        )
        yield Trusting(gateway, issuer, market, door._tokens)


async def test_a_member_acts_with_a_token_and_stops_when_its_admin_says_so(
    trusting: Trusting,
) -> None:
    gateway, token = trusting.gateway, trusting.issuer.token()
    (listed,) = (await gateway.http.get("/v1/issuers")).json()
    assert (listed["issuer"], listed["client_id"]) == (trusting.issuer.url, CLIENT)
    stranger = await gateway.call("GET", "/v1/whoami", key=token)
    assert (stranger.status_code, stranger.json()["code"]) == (403, "auth.no_member")
    assert stranger.json()["errors"][0]["value"] == "li-hua"

    added = await trusting.add("read", "trade")
    assert added.status_code == 201, added.text
    member = added.json()
    assert (member["status"], member["scopes"]) == ("active", ["read", "trade"])
    assert (await gateway.submit("offers", offer(), token, "k1")).status_code == 202
    me = (await gateway.call("GET", "/v1/whoami", key=token)).json()
    assert (me["participant_id"], me["credential_id"]) == ("provider-1", member["member_id"])
    assert me["member"]["last_seen_at"] is not None
    key = (await gateway.call("GET", "/v1/whoami", key=trusting.market.provider)).json()
    assert (key["role"], key.get("member")) == ("provider", None)

    assert await trusting.told(token, MEMBERS) == (200, "")
    one = f"{MEMBERS}/{member['member_id']}"
    for refused, status, code in (
        (await trusting.add("read"), 409, "member_exists"),
        (await trusting.add("read", key=token), 403, "auth.missing_scope"),
        (await trusting.add("govern"), 422, "validation.scopes"),
        (await trusting.add("read", issuer="https://x.example.org"), 422, "validation.issuer"),
        (await trusting.add("read", key=trusting.market.enterprise), 404, "not_found"),
        (await gateway.call("PATCH", one, {}), 422, "validation.invalid"),
        (await gateway.call("DELETE", f"{MEMBERS}/mbr_{'a' * 16}"), 404, "not_found"),
        (
            await gateway.call("DELETE", one, key=trusting.market.enterprise),
            404,
            "not_found",
        ),
    ):
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text

    await gateway.call("PATCH", one, {"scopes": ["read", "admin"]}, key=trusting.market.provider)
    assert (await gateway.submit("offers", offer(), token, "k2")).status_code == 403
    made = await gateway.call("POST", "/v1/participants/provider-1/keys", {}, key=token)
    assert made.json()["key"]["created_by"] == member["member_id"]
    acts = (await gateway.call("GET", "/v1/admin-acts?limit=1")).json()["items"]
    assert (acts[0]["act"], acts[0]["credential_id"]) == ("add_key", member["member_id"])

    await gateway.call("PATCH", one, {"status": "suspended"})
    assert await trusting.told(token) == (403, "auth.member_suspended")
    await gateway.call("PATCH", one, {"status": "active"})
    assert await trusting.told(token) == (200, "")
    gone = await gateway.call("DELETE", one)
    assert gone.json()["status"] == "removed"
    assert await trusting.told(token) == (403, "auth.no_member")
    assert (await gateway.call("PATCH", one, {"status": "active"})).status_code == 404
    assert (await trusting.add("read")).status_code == 201
    statuses = [item["status"] for item in (await gateway.call("GET", MEMBERS)).json()]
    assert statuses == ["active", "removed"]


async def test_a_token_that_is_not_as_it_must_be_is_refused_by_name(trusting: Trusting) -> None:
    issuer, now = trusting.issuer, int(time.time())
    assert (await trusting.add("read")).status_code == 201
    assert await trusting.told(issuer.token()) == (200, "")
    good = issuer.token()
    head, body, signature = good.split(".")
    none_head = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    cases = {
        issuer.token(exp=now - 60): "exp",
        issuer.token(exp=None): "exp",
        issuer.token(exp="tomorrow"): "exp",
        issuer.token(nbf=now + 600): "nbf",
        issuer.token(aud="account"): "aud",
        issuer.token(aud=None): "aud",
        issuer.token(iss="https://evil.example.org"): "iss",
        issuer.token(iss=None): "iss",
        issuer.token(sub=None): "sub",
        issuer.token(sub="李华"): "sub",
        issuer.token(key=rsa_key("first")): "signature",
        issuer.token(key=rsa_key("unknown")): "kid",
        by_public_key(body, issuer): "alg",
        f"{none_head}.{body}.": "alg",
        f"{head}.{body}.{signature[:-6]}AAAAAA": "signature",
        f"{head}.e30.{signature}": "iss",
        "eyJ": "form",
        f"eyJ{'a' * 2_000}": "form",
    }
    for token, claim in cases.items():
        assert await trusting.told(token) == (401, f"auth.token_{claim}"), (token, claim)
    assert await trusting.told(f"eyJ{'a' * 20_000}") == (401, "auth.token_size")
    # A little behind or ahead is no fault of the caller's.
    assert await trusting.told(issuer.token(exp=now - 5, nbf=now + 5)) == (200, "")
    assert trusting.issuer.asked.count("certs") <= 2

    spare = await trusting.market.gateway.call("GET", "/v1/offers", key=good)
    assert (spare.status_code, spare.json()["code"]) == (401, "auth.no_issuers")


async def test_keys_of_every_kind_are_taken_and_a_new_one_with_its_first_token(
    trusting: Trusting,
) -> None:
    issuer, clock = trusting.issuer, ManualClock(NOW)
    assert (await trusting.add("read")).status_code == 201
    issuer.keys += [
        ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig"}),
        OKPKey.generate_key("Ed25519", parameters={"kid": "ed", "use": "sig"}),
    ]
    for key in issuer.keys:
        assert await trusting.told(issuer.token(key=key)) == (200, ""), key.kid
    trusting.tokens._clock = clock
    now = int(NOW.timestamp())
    times: Json = {"nbf": now, "exp": now + 86_400}
    known = trusting.tokens._issuers[issuer.url]
    known.tried_s = known.fetched_s = clock.monotonic()
    old = issuer.token(**times)
    issuer.keys[:] = [rsa_key("second")]
    # Who invents names does not make the gateway ask each time.
    asked = len(issuer.asked)
    assert await trusting.told(issuer.token(**times)) == (401, "auth.token_kid")
    assert len(issuer.asked) == asked
    clock.advance(timedelta(seconds=11))
    assert await trusting.told(issuer.token(**times)) == (200, "")
    assert await trusting.told(old) == (401, "auth.token_kid")

    # With the issuer gone, its last keys go on, and a new key cannot be told from a wrong one.
    issuer.stop()
    clock.advance(timedelta(seconds=3_600))
    assert await trusting.told(issuer.token(**times)) == (200, "")
    clock.advance(timedelta(seconds=11))
    reply = await trusting.gateway.call(
        "GET", "/v1/offers", key=issuer.token(key=rsa_key("third"), **times)
    )
    assert (reply.status_code, reply.json()["code"]) == (503, "auth.issuer_unavailable")
    assert reply.headers["Retry-After"] == "1"
    assert (await trusting.told(trusting.market.provider))[0] == 200


async def test_a_person_signs_in_to_the_pages_by_an_issuer(trusting: Trusting) -> None:
    http, issuer = trusting.gateway.http, trusting.issuer
    page = await http.get("/sign-in?to=/desk/orders", headers={"Accept-Language": "en"})
    assert f"Sign in with {issuer.url.split('/')[2]}" in page.text
    assert 'href="/sign-in/issuer/0?to=/desk/orders"' in page.text

    async def back(subject: str) -> str:
        """Sign in at the issuer; return the address that it sends the browser back to."""
        issuer.subject = subject
        sent = await http.get("/sign-in/issuer/0?to=/desk?side=offer")
        assert (sent.status_code, "HttpOnly" in sent.headers["set-cookie"]) == (303, True)
        async with httpx.AsyncClient() as browser:
            return (await browser.get(sent.headers["location"])).headers["location"]

    stranger = await http.get(await back("li-hua"), headers={"Accept-Language": "en"})
    assert stranger.status_code == 403
    assert "li-hua" in stranger.text
    member = (await trusting.add("read")).json()["member_id"]

    good = await back("li-hua")
    wrong = await http.get(good.replace("state=", "state=x"))
    other = await http.get(good.replace("iss=", "iss=x"))
    assert [wrong.status_code, other.status_code] == [403, 403]
    done = await http.get(good)
    assert (done.status_code, done.headers["location"]) == (303, "/desk?side=offer")
    cookie = next(one for one in done.headers.get_list("set-cookie") if "suanli_session" in one)
    assert "samesite=lax" in cookie.lower()
    assert (await http.get("/desk")).status_code == 200
    again = await http.get(good)
    assert again.status_code == 403
    assert (await http.get("/sign-in/issuer/7")).status_code == 404

    await trusting.gateway.call("PATCH", f"{MEMBERS}/{member}", {"status": "suspended"})
    http.cookies.set("suanli_session", done.cookies["suanli_session"])
    assert (await http.get("/desk")).status_code == 303


async def sign_out(trusting: Trusting) -> httpx.Response:
    """Sign out of the pages as a browser does whose session began at the issuer."""
    token = "a" * 43
    cookies = f"suanli_session={token}; suanli_issuer=0.hint"
    headers = {"Cookie": cookies, "Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
    form = {"proof": form_token(token)}
    return await trusting.gateway.http.post("/sign-out", data=form, headers=headers)


async def test_a_sign_out_leads_to_an_issuer_that_ends_sessions_and_to_no_other(
    trusting: Trusting,
) -> None:
    reply = await sign_out(trusting)
    assert f"{trusting.issuer.url}/logout?client_id={CLIENT}" in reply.text
    assert "sign-out%2Fdone" in reply.text
    assert "id_token_hint=hint" in reply.text
    deleted = [one for one in reply.headers.get_list("set-cookie") if "Max-Age=0" in one]
    assert sorted(one.partition("=")[0] for one in deleted) == ["suanli_issuer", "suanli_session"]


async def test_a_sign_out_is_for_here_alone_where_the_issuer_ends_no_sessions(
    trusting: Trusting,
) -> None:
    trusting.issuer.ends_sessions = False
    reply = await sign_out(trusting)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


async def test_a_sign_out_says_so_where_the_issuer_does_not_answer(trusting: Trusting) -> None:
    trusting.issuer.stop()
    reply = await sign_out(trusting)
    assert reply.status_code == 200
    assert "your session there may still be open" in reply.text
