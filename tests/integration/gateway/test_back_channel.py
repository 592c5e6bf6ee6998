"""An issuer says that a session of its own is over: what began with it here ends, once."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.integration.gateway.test_oidc import Trusting, issuer, trusting
from tests.issuer import CLIENT, rsa_key

__all__ = ["issuer", "trusting"]
pytestmark = pytest.mark.integration
PLACE = "/sign-out/back-channel"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


async def signed_in(trusting: Trusting, session: str | None) -> str:
    """Return the token of a session of the pages that began with one at the issuer."""
    http = trusting.gateway.http
    http.cookies.clear()
    trusting.issuer.session = session
    sent = await http.get("/sign-in/issuer/0?to=/desk")
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(sent.headers["location"])).headers["location"]
    done = await http.get(back)
    assert done.status_code == 303, done.text
    http.cookies.clear()
    return str(done.cookies["suanli_session"])


async def is_in(trusting: Trusting, token: str) -> bool:
    reply = await trusting.gateway.http.get("/desk", headers={"Cookie": f"suanli_session={token}"})
    return reply.status_code == 200


async def tell(trusting: Trusting, token: str) -> tuple[int, str]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"logout_token": token})
    reply = await trusting.gateway.http.post(PLACE, content=body, headers=headers)
    assert reply.headers["cache-control"] == "no-store"
    return reply.status_code, "" if reply.is_success else reply.json()["error_description"]


async def test_what_began_with_a_session_at_the_issuer_ends_with_it_and_nothing_else_does(
    trusting: Trusting,
) -> None:
    assert (await trusting.add("read")).status_code == 201
    first, second, bare = [await signed_in(trusting, name) for name in ("s-1", "s-2", None)]
    other = trusting.issuer.logout_token(sub="somebody", sid="s-1")
    assert await tell(trusting, other) == (200, "")
    assert [await is_in(trusting, one) for one in (first, second, bare)] == [True, True, True]

    over = trusting.issuer.logout_token(sub=None, sid="s-1")
    assert await tell(trusting, over) == (200, "")
    assert [await is_in(trusting, one) for one in (first, second, bare)] == [False, True, True]
    status, said = await tell(trusting, over)
    assert (status, "token.jti" in said) == (400, True)

    # Without a name of a session, all of the person's are over.
    assert await tell(trusting, trusting.issuer.logout_token(sid=None)) == (200, "")
    assert [await is_in(trusting, one) for one in (second, bare)] == [False, False]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://other.example.org"}, "iss"),
    ({"aud": "another"}, "aud"),
    ({"iat": None}, "iat"),
    ({"iat": int(time.time()) - 3_600}, "iat"),
    ({"exp": 1}, "exp"),
    ({"jti": None}, "jti"),
    ({"events": None}, "events"),
    ({"events": {"https://example.org/other": {}}}, "events"),
    ({"events": {EVENT: "text"}}, "events"),
    ({"nonce": "n"}, "nonce"),
    ({"sub": None, "sid": None}, "sid"),
    ({"sid": 7}, "sid"),
    ({"sub": ""}, "sub"),
]


async def test_what_is_no_logout_token_of_the_issuer_s_ends_nothing_and_hears_why(
    trusting: Trusting,
) -> None:
    assert (await trusting.add("read")).status_code == 201
    mine = await signed_in(trusting, "s-1")
    for claims, field in WRONG:
        status, said = await tell(trusting, trusting.issuer.logout_token(**claims))
        assert (status, f"token.{field}:" in said) == (400, True), said
    forged = trusting.issuer.logout_token(key=rsa_key("first"))
    for wrong in (trusting.issuer.token(aud=CLIENT, sid="s-1"), forged, "x.y.z", ""):
        assert (await tell(trusting, wrong))[0] == 400
    assert await is_in(trusting, mine)
