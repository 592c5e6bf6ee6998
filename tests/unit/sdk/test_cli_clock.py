"""The command line counts from the market's clock, which need not be this machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from suanli.cli.session import Output, Session

if TYPE_CHECKING:
    from suanli.client import Client
    from suanli.operations import Operation

AS_OF = "2031-03-01T09:20:31.5Z"


class Exchange:
    """Answers what a session asks before it knows the time; counts the questions."""

    environment = ""

    def __init__(self, *markets: str) -> None:
        self._markets = markets
        self.asked: list[str] = []

    def send(self, operation: Operation) -> dict[str, Any]:
        self.asked.append(operation.path)
        if operation.path == "/v1/markets":
            return {"items": [{"market": {"id": one}} for one in self._markets]}
        assert operation.path == f"/v1/markets/{self._markets[0]}/phase"
        return {"as_of": AS_OF}

    def close(self) -> None:
        """Be a client's."""


def session_of(exchange: Exchange | None) -> Session:
    session = Session("http://there" if exchange else None, None, "en", Output.TABLE)
    if exchange:
        session.client = cast("Client", exchange)
    return session


def test_hours_from_now_are_counted_on_the_clock_of_the_market() -> None:
    session = session_of(Exchange("spot", "ahead"))
    assert session.instant("--from", "+2h") == "2031-03-01T11:00:00Z"
    assert session.instant("--to", "+1d") == "2031-03-02T09:00:00Z"
    assert session.now == datetime(2031, 3, 1, 9, 20, 31, 500_000, UTC)


def test_the_market_is_asked_for_the_time_once_and_only_if_a_text_counts_from_it() -> None:
    exchange = Exchange("spot")
    session = session_of(exchange)
    assert session.instant("--from", "2026-11-25T16:00+08:00") == "2026-11-25T08:00:00Z"
    assert not exchange.asked
    for text in ("+0h", "+3h"):
        session.instant("--from", text)
    assert exchange.asked == ["/v1/markets", "/v1/markets/spot/phase"]


def test_without_an_exchange_or_a_market_hours_are_counted_on_this_machine() -> None:
    for session in (session_of(None), session_of(Exchange())):
        assert abs(session.now - datetime.now(UTC)) < timedelta(minutes=1)
