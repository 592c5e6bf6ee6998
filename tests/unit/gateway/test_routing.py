"""Which routers are asked for a request."""

import pytest
from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope

from services.gateway.adapters.http.routing import Routes, head_of


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("/v1/offers", "offers"),
        ("/v1/offers/off_a/life", "offers"),
        ("/v1/offers:bulk", "offers"),
        ("/v1/", ""),
        ("/v1", "v1"),
        ("/livez", "livez"),
        ("/", ""),
        ("", ""),
        ("no-slash", "no-slash"),
    ],
)
def test_a_path_is_told_by_its_first_word_after_the_version(path: str, head: str) -> None:
    assert head_of(path) == head


def test_a_router_is_asked_for_paths_that_begin_like_its_own_and_learns_of_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def matches(_router: APIRouter, scope: Scope) -> tuple[Match, Scope]:
        asked.append(scope["path"])
        return Match.FULL, {}

    monkeypatch.setattr(APIRouter, "matches", matches)
    routes = Routes()
    routes.add_api_route("/v1/offers/{order_id}", print)
    assert routes.matches({"path": "/v1/offers/1"}) == (Match.FULL, {})
    assert routes.matches({"path": "/v1/demand/1"}) == (Match.NONE, {})
    routes.add_api_route("/v1/demand", print)
    assert routes.matches({"path": "/v1/demand/1"}) == (Match.FULL, {})
    assert asked == ["/v1/offers/1", "/v1/demand/1"]
