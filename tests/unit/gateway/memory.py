"""The gateway's ports in memory: small, real, and enough to run the whole app without servers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from schemas import events
from schemas.api import (
    DemandView,
    MarketView,
    OfferView,
    OrderEvent,
    ParticipantView,
)
from schemas.audit import TermsVersionView
from schemas.codec import Envelope, encode
from schemas.events import Reason
from schemas.filters import Filter
from schemas.identity import AdminActView, KeyView
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.registry import BY_MODEL
from schemas.signing_keys import SigningKeyView
from schemas.types import Role, Side
from services.core.errors import Message
from services.core.market_log import MarketLog
from services.core.order_life import Happening
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import Api
from services.gateway.adapters.http.server import create_app
from services.gateway.adapters.round_files import stream_file
from services.gateway.app.acts import ActsReading
from services.gateway.app.book_windows import BookWindows
from services.gateway.app.books_then import BooksThen
from services.gateway.app.cancel_all import CancelAll
from services.gateway.app.day_reports import DayReports, Timeline
from services.gateway.app.dead_letters import DeadLetterWork
from services.gateway.app.depth import Depth
from services.gateway.app.direct_logins import DirectLogins, Where
from services.gateway.app.door import Door
from services.gateway.app.erasures import ErasureWork
from services.gateway.app.exchange import ExchangeCommands
from services.gateway.app.exports import Exports
from services.gateway.app.finality import Finality
from services.gateway.app.funds import FundsCommands, FundsReading
from services.gateway.app.indications import IndicationReading
from services.gateway.app.keys import KeyCommands, hash_key
from services.gateway.app.life import LifeReading
from services.gateway.app.limits import Limit, Limits, OwnShares
from services.gateway.app.log import LogReading
from services.gateway.app.market_data import MarketData
from services.gateway.app.members import MemberCommands
from services.gateway.app.mobilisations import MobilisationWork
from services.gateway.app.once import Once
from services.gateway.app.orders import OrderCommands
from services.gateway.app.phases import Phases
from services.gateway.app.policy_studies import PolicyStudies
from services.gateway.app.previews import Previews
from services.gateway.app.quotes import Quotes
from services.gateway.app.reading import Reading
from services.gateway.app.signing_keys import SigningKeyCommands
from services.gateway.app.standing import Standing
from services.gateway.app.surveillance import CaseWork
from services.gateway.errors import UnavailableError
from services.gateway.identity_ports import Act, NewKey
from services.gateway.ports import Claim, Done, Intent, Position, Principal, Sent
from services.kit.clock import ManualClock
from services.kit.signing import verify, verify_ed25519
from tests.unit.gateway.memory_books import (
    MemoryCases,
    MemoryDays,
    MemoryDeadLetters,
    MemoryErasures,
    MemoryFunds,
    MemoryMarkets,
    MemoryMobilisations,
    MemoryTree,
    NoStudies,
    NoTopics,
)
from tests.unit.gateway.memory_logins import MemoryLogins
from tests.unit.gateway.memory_members import ISSUER, MemoryMembers, NoTokens
from tests.unit.gateway.memory_prices import MemoryPrices, NoIndications, NoLinks
from tests.unit.gateway.memory_reports import MemoryReports
from tests.unit.gateway.memory_streams import MemoryFeed, streams_of
from tests.unit.gateway.memory_webhooks import webhooks_of

# One app for all: its routes are compiled at the first request, which takes half a second.
APP = create_app()
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
KEYS = {role: f"sk_{role.value}-key-of-the-tests" for role in Role}
RECEIVED = Reason(code="received", en="On the log.", zh="已写入日志。")


@dataclass
class MemoryLog:
    """A log; ``down`` makes it silent."""

    sent: list[Envelope] = field(default_factory=list)
    down: bool = False

    async def send(self, envelopes: Sequence[Envelope]) -> list[Position]:
        if self.down:
            raise UnavailableError("log_unavailable", Message("silent", "无响应"))
        positions = []
        for envelope in envelopes:
            _, value, _ = encode(envelope)
            topic = BY_MODEL[type(envelope.data)].topic
            digest = hashlib.sha256(value).hexdigest()
            positions.append(Position(topic, 0, len(self.sent), digest))
            self.sent.append(envelope)
        return positions


@dataclass
class MemoryOrders:
    """Orders as submitted."""

    views: dict[str, OfferView | DemandView] = field(default_factory=dict)

    def show(self, sent: Sequence[Sent]) -> None:
        for item in sent:
            data = item.envelope.data
            if isinstance(data, events.OfferSubmitted | events.DemandSubmitted):
                offer = isinstance(data, events.OfferSubmitted)
                common: dict[str, Any] = {
                    "order_id": data.order_id,
                    "side": Side.OFFER if offer else Side.DEMAND,
                    "market_id": data.market_id,
                    "participant_id": data.participant_id,
                    "state": "accepted",
                    "version": 1,
                    "reason": RECEIVED,
                    "submitted_at": item.envelope.occurred_at,
                    "updated_at": item.envelope.occurred_at,
                    "terms": data.terms,
                }
                view = OfferView(**common) if offer else DemandView(**common)
                self.views.setdefault(data.order_id, view)

    async def order(self, order_id: str) -> OfferView | DemandView | None:
        return self.views.get(order_id)

    async def orders(
        self,
        side: Side,
        *,
        participant_id: str | None,
        market_id: str | None,
        states: Sequence[str] | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, OfferView | DemandView]]:
        found = [
            (number, view)
            for number, view in enumerate(self.views.values())
            if view.side is side
            and participant_id in (None, view.participant_id)
            and market_id in (None, view.market_id)
            and (states is None or view.state in states)
            and (before is None or number < before)
        ]
        return found[::-1][:limit]

    async def history(
        self, order_id: str, *, after: int | None, limit: int, where: Filter | None = None
    ) -> list[tuple[int, OrderEvent]]:
        return []

    async def owner(self, order_id: str) -> str | None:
        view = self.views.get(order_id)
        return None if view is None else view.participant_id

    async def happenings(self, order_id: str, limit: int) -> list[Happening]:
        at = self.views[order_id].submitted_at
        told = Happening(kind="submitted", event_id=order_id, occurred_at=at, recorded_at=at)
        return [told][:limit]

    async def open_orders(self, market_id: str) -> list[tuple[str, str]]:
        return [(name, view.state.value) for name, view in self.views.items()]

    async def terms(self, ids: Sequence[str]) -> dict[str, OfferTerms | DemandTerms]:
        return {name: self.views[name].terms for name in ids}

    async def versions(self, order_id: str) -> list[TermsVersionView]:
        return [TermsVersionView(version=1, terms=self.views[order_id].terms, recorded_at=NOW)]


class NoLogs:
    """No market has anything on the log."""

    async def read(self, market_id: str) -> MarketLog:
        return MarketLog(market_id, {}, (), (), {})


@dataclass
class MemoryIntents:
    """Claims and replies."""

    orders: MemoryOrders
    claims: dict[tuple[str, str], Intent] = field(default_factory=dict)
    replies: dict[tuple[str, str], str] = field(default_factory=dict)
    abandoned: set[tuple[str, str]] = field(default_factory=set)

    async def claim(
        self, participant_id: str, token: str, intents: Sequence[Intent]
    ) -> list[Claim]:
        claims = []
        for intent in intents:
            name = (participant_id, intent.key)
            known = self.claims.get(name)
            if known is None or (name in self.abandoned and known.body == intent.body):
                self.abandoned.discard(name)
                self.claims[name] = intent
                claims.append(Claim(mine=True))
            else:
                claims.append(Claim(mine=False, body=known.body, reply=self.replies.get(name)))
        return claims

    async def release(self, participant_id: str, token: str, keys: Sequence[str]) -> None:
        for key in keys:
            self.claims.pop((participant_id, key))

    async def expire(self, claims: Sequence[tuple[str, str, str]]) -> None:
        self.abandoned |= {(participant_id, key) for participant_id, _, key in claims}

    async def complete(self, done: Sequence[Done]) -> Sequence[Exception | None]:
        for one in done:
            self.orders.show(one.sent)
            self.replies |= {(one.participant_id, key): body for key, body in one.replies}
        return [None] * len(done)


@dataclass
class MemoryDirectory:
    """Participants and keys."""

    principals: dict[bytes, Principal] = field(default_factory=dict)
    views: dict[str, ParticipantView] = field(default_factory=dict)
    key_views: dict[str, KeyView] = field(default_factory=dict)

    def add(self, role: Role) -> None:
        name = f"{role.value}-1"
        self.views[name] = ParticipantView(
            participant_id=name, role=role, name=name, status="active", registered_at=NOW
        )
        self.principals[hash_key(KEYS[role])] = Principal(name, role, f"key_{role.value}")

    def forget(self) -> None:
        pass

    async def by_key(self, sha256: bytes) -> Principal | None:
        return self.principals.get(sha256)

    async def participant(self, participant_id: str) -> ParticipantView | None:
        return self.views.get(participant_id)

    async def participants(
        self, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[ParticipantView]:
        return [self.views[name] for name in sorted(self.views) if after is None or name > after][
            :limit
        ]

    async def put_participant(self, view: ParticipantView, offset: int, key: NewKey | None) -> None:
        self.views[view.participant_id] = view
        if key is not None:
            await self.add_key(view.participant_id, key)

    async def add_key(self, participant_id: str, new: NewKey) -> KeyView:
        role = self.views[participant_id].role
        who = Principal(participant_id, role, new.key_id, scopes=new.scopes)
        self.principals[new.sha256] = who
        view = KeyView(
            key_id=new.key_id,
            participant_id=participant_id,
            label=new.label,
            scopes=tuple(new.scopes),
            created_at=NOW,
            created_by=new.made_by,
            expires_at=NOW + timedelta(days=new.days),
        )
        self.key_views[new.key_id] = view
        return view

    async def keys(self, participant_id: str) -> list[KeyView]:
        return [one for one in self.key_views.values() if one.participant_id == participant_id]

    async def revoke_key(self, participant_id: str, key_id: str) -> KeyView | None:
        view = self.key_views.get(key_id)
        if view is None or view.participant_id != participant_id:
            return None
        self.principals = {sha: one for sha, one in self.principals.items() if one.key_id != key_id}
        return view.model_copy(update={"revoked_at": NOW})


class MemorySigningKeys:
    """Signing keys; every participant can be answered."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, str], SigningKeyView] = {}

    async def ensure(self, participant_id: str) -> None:
        pass

    async def put(
        self, participant_id: str, key_id: str, public: bytes, active_max: int
    ) -> SigningKeyView | None:
        found = [view for view in await self.keys(participant_id) if view.revoked_at is None]
        known = self._views.get((participant_id, key_id))
        if known is None and len(found) < active_max:
            known = self._views[participant_id, key_id] = SigningKeyView(
                key_id=key_id,
                participant_id=participant_id,
                public_key=base64.b64encode(public).decode(),
                registered_at=NOW,
            )
        return known

    async def keys(self, participant_id: str) -> list[SigningKeyView]:
        return [view for (owner, _), view in self._views.items() if owner == participant_id]

    async def revoke(self, participant_id: str, key_id: str) -> SigningKeyView | None:
        view = self._views.get((participant_id, key_id))
        if view is None:
            return None
        revoked = view.model_copy(update={"revoked_at": view.revoked_at or NOW})
        self._views[participant_id, key_id] = revoked
        return revoked


@dataclass
class MemoryActs:
    """The record of acts."""

    begun: list[Act] = field(default_factory=list)
    ended: dict[int, int] = field(default_factory=dict)

    async def begin(self, act: Act) -> int:
        self.begun.append(act)
        return len(self.begun)

    async def end(self, act_id: int, status: int) -> None:
        self.ended[act_id] = status

    async def acts(
        self,
        *,
        participant_id: str | None,
        since: datetime | None,
        before: int | None,
        limit: int,
    ) -> list[AdminActView]:
        return []


def unlimited() -> Limits:
    """Return limits that nobody reaches."""
    none = Limit("none", 0.0, 1)
    return Limits(OwnShares(lambda: 0.0), reads=none, writes=none, anonymous=none)


@dataclass
class MemoryGateway:
    """The app on ports in memory, with a market and one participant of each role."""

    log: MemoryLog = field(default_factory=MemoryLog)
    orders: MemoryOrders = field(default_factory=MemoryOrders)
    directory: MemoryDirectory = field(default_factory=MemoryDirectory)
    markets: MemoryMarkets = field(default_factory=MemoryMarkets)
    reports: MemoryReports = field(default_factory=MemoryReports)
    funds: MemoryFunds = field(default_factory=MemoryFunds)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    parts: dict[str, bool] = field(default_factory=lambda: {"kafka": True})
    acts: MemoryActs = field(default_factory=MemoryActs)
    limits: Limits = field(default_factory=unlimited)
    members: MemoryMembers = field(default_factory=MemoryMembers)
    logins: MemoryLogins = field(default_factory=MemoryLogins)

    def __post_init__(self) -> None:
        self.intents = MemoryIntents(self.orders)
        for role in Role:
            self.directory.add(role)
        market = Market.model_validate(examples.MARKET)
        self.markets.views[market.id] = MarketView(market=market, defined_at=NOW)

    async def _readiness(self) -> Mapping[str, bool]:
        return self.parts

    def _urgent(self, once: Once) -> MobilisationWork:
        shown, markets = MemoryMobilisations(), self.markets
        return MobilisationWork(
            self.log, once, shown, markets, self.clock, directory=self.directory, persons=2
        )

    def _door(self) -> Door:
        operator = hash_key("bootstrap-key-of-tests")
        return Door(self.directory, self.acts, operator, self.members, NoTokens())

    def direct_logins(self) -> DirectLogins:
        book, topics = self.logins, MemorySigningKeys()
        return DirectLogins(self.directory, book, book, topics, Where("broker.example:9094", ""))

    def http(self) -> httpx.AsyncClient:
        once = Once(self.log, self.intents, None)
        keys = KeyCommands(self.directory, self.directory)
        commands = OrderCommands(once, self.orders, self.markets, self.clock, self.reports)
        read_file = partial(stream_file, self.reports)
        quotes = Quotes(self.markets, self.reports, read_file, self.clock)
        api = Api(
            orders=commands,
            cancel_all=CancelAll(commands, self.orders),
            exports=Exports(self.markets, MemoryPrices()),
            exchange=ExchangeCommands(
                self.log, once, self.directory, keys, self.markets, self.reports, self.clock, None
            ),
            reading=Reading(
                self.orders, self.directory, self.markets, self.reports, Depth(self.orders)
            ),
            funds=FundsCommands(
                self.log, once, self.directory, self.markets, self.funds, self.clock, None
            ),
            money=FundsReading(self.funds),
            quotes=quotes,
            previews=Previews(commands, quotes, self.reports),
            log=LogReading(MemoryTree(), None, verify),
            life=LifeReading(self.orders),
            books=BooksThen(NoLogs()),
            erasures=ErasureWork(once, MemoryErasures(), self.clock),
            dead_letters=DeadLetterWork(MemoryDeadLetters(), NoTopics(), self.clock),
            market_data=MarketData(
                self.markets,
                MemoryPrices(),
                BookWindows(MemoryPrices()),
                NoLinks(),
                Phases(self.markets, self.reports, self.clock),
                IndicationReading(NoIndications(), self.markets, self.orders),
                self.clock,
            ),
            cases=CaseWork(once, MemoryCases(), self.clock),
            reports=DayReports(
                MemoryDays(), self.markets, self.clock, Timeline(NOW, NOW, 1.0), None
            ),
            finality=Finality(MemoryTree(), None, (), 0, verify),
            door=self._door(),
            members=MemberCommands(self.directory, self.members, [ISSUER]),
            limits=self.limits,
            mobilisations=self._urgent(once),
            studies=PolicyStudies(NoStudies(), self.markets, self.reports, self.clock),
            standing=Standing(self.log, self.directory, self.markets, self.clock, None),
            keys=keys,
            signing_keys=SigningKeyCommands(
                self.directory,
                MemorySigningKeys(),
                MemorySigningKeys(),
                self.log,
                self.clock,
                verify_ed25519,
            ),
            direct_logins=self.direct_logins(),
            acts=ActsReading(self.acts),
            streams=streams_of(MemoryFeed()),
            webhooks=webhooks_of(self.clock),
            receipt_key=None,
            readiness=self._readiness,
        )
        APP.state.api = api
        transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://gateway")
