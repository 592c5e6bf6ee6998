"""The gateway's composition root: ``python -m services.gateway.main``."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.members import IssuerView
from services.core.direct_audit import TOPICS as DIRECT_TOPICS
from services.gateway.adapters import direct
from services.gateway.adapters.acts import PostgresActs, PostgresShares
from services.gateway.adapters.credentials import PostgresCredentials
from services.gateway.adapters.days import PostgresDays
from services.gateway.adapters.dead_letters import KafkaSourceTopics, PostgresDeadLetters
from services.gateway.adapters.desks import PostgresDesks
from services.gateway.adapters.direct_logins import BrokerLogins, PostgresLoginBook
from services.gateway.adapters.erasures import PostgresErasures
from services.gateway.adapters.exports import ExportFiles
from services.gateway.adapters.funds import PostgresFunds
from services.gateway.adapters.http.context import Api
from services.gateway.adapters.http.listening import Server
from services.gateway.adapters.http.problems import STORE_ERRORS
from services.gateway.adapters.http.server import create_app, openapi
from services.gateway.adapters.http.sse import frame, keep_alive
from services.gateway.adapters.indications import PostgresIndications
from services.gateway.adapters.intents import PostgresIntents
from services.gateway.adapters.journal import PostgresEntries
from services.gateway.adapters.kafka import KafkaLog
from services.gateway.adapters.life import PostgresLives
from services.gateway.adapters.links import PostgresLinks
from services.gateway.adapters.log_tree import PostgresLog
from services.gateway.adapters.market_data import PostgresBooks, PostgresPrices
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.gateway.adapters.members import PostgresMembers
from services.gateway.adapters.mobilisations import PostgresMobilisations
from services.gateway.adapters.oidc import OidcTokens
from services.gateway.adapters.oidc_pages import PageSignIns
from services.gateway.adapters.pages.context import Surroundings
from services.gateway.adapters.pages.office import Office
from services.gateway.adapters.pages.site import add_pages, warm
from services.gateway.adapters.policy_studies import LEASE as STUDIES_LEASE
from services.gateway.adapters.policy_studies import (
    ChildStudies,
    LeasedStudies,
    PostgresStudies,
)
from services.gateway.adapters.postgres import (
    PostgresDirectory,
    PostgresMarkets,
    PostgresOrders,
    PostgresReports,
)
from services.gateway.adapters.projection import DEAD_LETTERS, LEASE, TOPICS, Projection
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.round_files import stream_file
from services.gateway.adapters.sessions import PostgresSessions
from services.gateway.adapters.sight import reader_pool
from services.gateway.adapters.signing import ReceiptSigner
from services.gateway.adapters.signing_keys import PostgresSigningKeys
from services.gateway.adapters.status_topics import StatusTopics
from services.gateway.adapters.streams import PostgresFeed
from services.gateway.adapters.surveillance import PostgresCases
from services.gateway.adapters.watching import HealthWatch
from services.gateway.app.acts import ActsReading
from services.gateway.app.book_windows import BookWindows
from services.gateway.app.books_then import BooksThen
from services.gateway.app.cancel_all import CancelAll
from services.gateway.app.day_reports import DayReports, Timeline
from services.gateway.app.dead_letters import DeadLetterWork
from services.gateway.app.depth import Depth
from services.gateway.app.direct import DirectOrders
from services.gateway.app.direct_logins import DirectLogins, Where
from services.gateway.app.door import Door
from services.gateway.app.erasures import ErasureWork
from services.gateway.app.exchange import ExchangeCommands
from services.gateway.app.exports import Exports
from services.gateway.app.finality import Finality
from services.gateway.app.funds import FundsCommands, FundsReading
from services.gateway.app.health import HealthReading
from services.gateway.app.indications import IndicationReading
from services.gateway.app.journal import JournalReading
from services.gateway.app.keys import KeyCommands, hash_key
from services.gateway.app.life import LifeReading
from services.gateway.app.limits import Limit, Limits
from services.gateway.app.log import LogReading
from services.gateway.app.market_data import MarketData
from services.gateway.app.members import MemberCommands
from services.gateway.app.mobilisations import MobilisationWork
from services.gateway.app.once import Once
from services.gateway.app.orders import OrderCommands
from services.gateway.app.phases import Phases
from services.gateway.app.policy_studies import PolicyStudies, StudyWorker
from services.gateway.app.previews import Previews
from services.gateway.app.quotes import Quotes
from services.gateway.app.reading import Reading
from services.gateway.app.sessions import Sessions
from services.gateway.app.signing_keys import SigningKeyCommands
from services.gateway.app.standing import Standing
from services.gateway.app.streams import Streams
from services.gateway.app.surveillance import CaseWork
from services.gateway.indicating import make_indications
from services.gateway.settings import GatewaySettings
from services.gateway.webhooking import build_webhooks, webhook_commands, webhook_secrets
from services.kit.clock import SystemClock
from services.kit.kafka import LogReader, LogWriter
from services.kit.postgres import LeaseKeeper, OutboxRelay, create_pool, make_ready
from services.kit.run import run_service
from services.kit.settings import load
from services.kit.signing import verify, verify_ed25519

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

    from schemas.market import Market
    from services.gateway.study_ports import StudyQueue
    from services.kit.clock import Clock
    from services.kit.postgres import Pool
    from services.kit.run import ServiceContext

__all__ = ["main", "openapi", "run"]

MIGRATIONS = Path(__file__).parents[2] / "infra" / "postgres" / "migrations" / "gateway"
# Twice this is shorter than a claim's life (20 s): a send may have waited for another.
_SEND_S_MAX = 8.0
# The reader of the log tells its lag once a second; this much older, it has stopped.
_STATE_AGE_S_MAX = 30.0
# What was sent is on the log; a day is for people who look into what went wrong.
_OUTBOX_KEEP = timedelta(days=1)
_READINESS_EVERY_S = 1.0
# Two batches of claims, two of replies, and what is released beside them.
_KEYS_POOL_MAX = 6
# Books of so many markets are at hand from the start.
_MARKETS_KEPT = 20


def build(
    settings: GatewaySettings,
    clock: Clock,
    pool: Pool,
    reader: Pool,
    writer: LogWriter,
    intents: PostgresIntents | None = None,
) -> FastAPI:
    """Return the app.

    Args:
        settings: The gateway's settings.
        clock: The market's clock.
        pool: Pool of the gateway's schema, for what the gateway does itself.
        reader: Pool for what requests read, each with its caller's eyes.
        writer: Started writer of the log.
        intents: Idempotency keys; those of ``pool`` if not given.
    """
    signer = _signer(settings)
    log = KafkaLog(writer)
    once = Once(log, intents or PostgresIntents(pool), signer)
    orders, reports = PostgresOrders(reader), PostgresReports(reader, signer)
    directory, markets = PostgresDirectory(pool), PostgresMarkets(pool)
    funds, credentials = PostgresFunds(pool), PostgresCredentials(pool)
    keys, finality = KeyCommands(directory, credentials), _finality(settings, pool)
    commands = OrderCommands(once, orders, markets, clock, reports)
    quotes = Quotes(markets, reports, partial(stream_file, reports), clock)
    readiness = partial(_readiness, settings, pool)
    door, members, tokens = _people(settings, pool, directory, credentials)
    app = create_app(
        Api(
            exchange=ExchangeCommands(log, once, directory, keys, markets, reports, clock, signer),
            orders=commands,
            cancel_all=CancelAll(commands, orders),
            reading=Reading(orders, directory, markets, reports, Depth(PostgresOrders(pool))),
            funds=FundsCommands(log, once, directory, markets, funds, clock, signer),
            money=FundsReading(PostgresFunds(reader), finality),
            quotes=quotes,
            previews=Previews(commands, quotes, reports),
            log=LogReading(PostgresLog(reader), settings.log_key(), verify),
            life=LifeReading(PostgresLives(reader)),
            books=BooksThen(KafkaMarketLogs(settings, settings.gateway_replay_records_max)),
            erasures=ErasureWork(once, PostgresErasures(pool), clock),
            dead_letters=_dead_letters(settings, pool, writer, clock),
            exports=Exports(markets, ExportFiles(pool, reader, settings.gateway_export_folder)),
            market_data=_market_data(pool, reader, markets, reports, clock),
            cases=CaseWork(once, PostgresCases(pool), clock),
            reports=DayReports(PostgresDays(pool), markets, clock, _timeline(settings), signer),
            finality=finality,
            door=door,
            limits=_limits(settings, pool),
            standing=Standing(log, directory, markets, clock, signer, door.forget),
            mobilisations=_mobilisations(settings, pool, log, once, clock),
            studies=PolicyStudies(PostgresStudies(pool), markets, reports, clock),
            keys=keys,
            members=members,
            signing_keys=_signing_keys(settings, pool, directory, log, clock),
            direct_logins=_direct_logins(settings, pool, directory),
            acts=ActsReading(PostgresActs(reader)),
            streams=_streams(settings, pool, reader),
            webhooks=webhook_commands(settings, pool, reader),
            receipt_key=None if signer is None else (signer.key_id, signer.public_key),
            readiness=readiness,
            is_sandbox=settings.gateway_sandbox,
        )
    )
    health = HealthReading(HealthWatch(settings.watched()), readiness, markets, reports, clock)
    office = Office(journal=JournalReading(PostgresEntries(reader)), health=health)
    sessions = Sessions(door, PostgresSessions(pool))
    return _paged(app, settings, sessions, tokens, PostgresDesks(reader), office)


def _paged(
    app: FastAPI,
    settings: GatewaySettings,
    sessions: Sessions,
    tokens: OidcTokens,
    desks: PostgresDesks,
    office: Office,
) -> FastAPI:
    sign_ins = PageSignIns(tokens, settings.gateway_oidc_client_secret)
    around = Surroundings(_timeline(settings).speed)
    return add_pages(app, sessions, sign_ins, around, desks, office)


def _dead_letters(
    settings: GatewaySettings, pool: Pool, writer: LogWriter, clock: Clock
) -> DeadLetterWork:
    sources = [topic for topic in (*TOPICS, *DIRECT_TOPICS) if topic != DEAD_LETTERS]
    topics = KafkaSourceTopics(settings, writer, sources)
    return DeadLetterWork(PostgresDeadLetters(pool), topics, clock)


def _signer(settings: GatewaySettings) -> ReceiptSigner | None:
    seed = settings.gateway_receipt_key
    return None if seed is None else ReceiptSigner(seed.get_secret_value())


def _market_data(
    pool: Pool, reader: Pool, markets: PostgresMarkets, reports: PostgresReports, clock: Clock
) -> MarketData:
    book, links = BookWindows(PostgresBooks(pool)), PostgresLinks(pool)
    phases = Phases(markets, reports, clock)
    told = IndicationReading(PostgresIndications(pool, reader), markets, PostgresOrders(reader))
    return MarketData(markets, PostgresPrices(reader), book, links, phases, told, clock)


def _finality(settings: GatewaySettings, pool: Pool) -> Finality:
    needed = settings.gateway_witnesses_needed
    return Finality(PostgresLog(pool), settings.log_key(), settings.witness_keys(), needed, verify)


def _mobilisations(
    settings: GatewaySettings, pool: Pool, log: KafkaLog, once: Once, clock: Clock
) -> MobilisationWork:
    persons = settings.gateway_mobilisation_persons
    shown = PostgresMobilisations(pool)
    markets, directory = PostgresMarkets(pool), PostgresDirectory(pool)
    return MobilisationWork(log, once, shown, markets, clock, directory=directory, persons=persons)


def _streams(settings: GatewaySettings, pool: Pool, reader: Pool) -> Streams:
    return Streams(
        PostgresFeed(pool, reader),
        frame,
        keep_alive=keep_alive,
        store_errors=STORE_ERRORS,
        listeners_max=settings.gateway_listeners_max,
        kept_days=settings.gateway_stream_days,
    )


def build_studies(settings: GatewaySettings, pool: Pool) -> LeasedStudies:
    """Return what works out what policies cost.

    Args:
        settings: The gateway's settings.
        pool: Pool of the gateway's schema.
    """
    studying = ChildStudies(settings.gateway_study_s)
    keeper = LeaseKeeper(pool, STUDIES_LEASE, settings.gateway_instance)

    def make(queue: StudyQueue) -> StudyWorker:
        return StudyWorker(queue, studying, STORE_ERRORS)

    return LeasedStudies(pool, keeper, make, studying)


def _signing_keys(
    settings: GatewaySettings, pool: Pool, directory: PostgresDirectory, log: KafkaLog, clock: Clock
) -> SigningKeyCommands:
    keys, topics = PostgresSigningKeys(pool), StatusTopics(settings, pool)
    return SigningKeyCommands(directory, keys, topics, log, clock, verify_ed25519)


def _direct_logins(
    settings: GatewaySettings, pool: Pool, directory: PostgresDirectory
) -> DirectLogins:
    access = settings.access()
    return DirectLogins(
        directory,
        PostgresLoginBook(pool),
        None if access is None else BrokerLogins(access),
        StatusTopics(settings, pool),
        Where(settings.gateway_direct_brokers, settings.topic_prefix),
    )


def _issuers(settings: GatewaySettings) -> list[IssuerView]:
    return [
        IssuerView(
            issuer=issuer,
            client_id=settings.gateway_oidc_client_id,
            audience=settings.gateway_oidc_audience,
            scope="openid offline_access",
        )
        for issuer in settings.oidc_issuers()
    ]


def _people(
    settings: GatewaySettings,
    pool: Pool,
    directory: PostgresDirectory,
    credentials: PostgresCredentials,
) -> tuple[Door, MemberCommands, OidcTokens]:
    operator = settings.gateway_operator_key
    sha256 = None if operator is None else hash_key(operator.get_secret_value())
    # Issuers go by the wall clock, not by the market's.
    tokens = OidcTokens(_issuers(settings), SystemClock())
    # One for both, so that whoever is suspended here is stopped here at once.
    members = PostgresMembers(pool)
    door = Door(credentials, PostgresActs(pool), sha256, members, tokens)
    return door, MemberCommands(directory, members, tokens.issuers), tokens


def _limits(settings: GatewaySettings, pool: Pool) -> Limits:
    def limit(name: str, per_s: float) -> Limit:
        return Limit(name, per_s, max(1, int(per_s * settings.gateway_burst_s)))

    return Limits(
        PostgresShares(pool),
        reads=limit("reads", settings.gateway_reads_per_s),
        writes=limit("writes", settings.gateway_writes_per_s),
        anonymous=limit("anonymous", settings.gateway_anonymous_per_s),
    )


def build_direct(
    settings: GatewaySettings, clock: Clock, pool: Pool, writer: LogWriter
) -> direct.DirectReader:
    """Return the reader of signed records.

    Args:
        settings: The gateway's settings.
        clock: The market's clock.
        pool: Pool of the gateway's schema.
        writer: Started writer of the log.
    """
    signer = _signer(settings)
    log = direct.CrashingLog(KafkaLog(writer))
    once = Once(log, PostgresIntents(pool), signer, claimant=direct.CLAIMANT)
    markets, reports = PostgresMarkets(pool), PostgresReports(pool, signer)
    orders = OrderCommands(once, PostgresOrders(pool), markets, clock, reports)
    return direct.DirectReader(
        pool,
        LogReader(settings, DIRECT_TOPICS),
        LeaseKeeper(pool, direct.LEASE, settings.gateway_instance),
        DirectOrders(orders),
        OutboxRelay(pool, writer, keep=_OUTBOX_KEEP),
        clock,
        verify_ed25519,
    )


async def _markets(markets: PostgresMarkets) -> list[Market]:
    return [view.market for view in await markets.markets(limit=_MARKETS_KEPT, after=None)]


def _timeline(settings: GatewaySettings) -> Timeline:
    market, real = settings.clock_market_epoch, settings.clock_real_epoch
    if market is None or real is None:
        now = datetime.now(UTC)
        return Timeline(now, now, 1.0)
    return Timeline(market, real, settings.clock_speed)


async def _readiness(settings: GatewaySettings, pool: Pool) -> Mapping[str, bool]:
    try:
        row = await pool.fetchrow(SQL.projection_state)
    except STORE_ERRORS:
        return {"postgres": False, "kafka": False, "projection": False}
    fresh = row is not None and row["age_s"] < _STATE_AGE_S_MAX
    behind = row is None or row["lag"] > settings.gateway_lag_records_max
    return {"postgres": True, "kafka": fresh, "projection": fresh and not behind}


async def _tell_readiness(context: ServiceContext[GatewaySettings], pool: Pool) -> None:
    """Keep the health server's answer the same as the API's."""
    while not context.stop_event.is_set():
        for part, ready in (await _readiness(context.settings, pool)).items():
            context.ready(part, ready=ready)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READINESS_EVERY_S):
                await context.stop_event.wait()


async def run(context: ServiceContext[GatewaySettings]) -> None:
    """Serve the API and read the log until the service should stop."""
    settings = context.settings
    schema = settings.schema_of("gateway")
    await make_ready(settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(
        settings.postgres_dsn, schema, min_size=2, max_size=settings.gateway_pool_max
    )
    context.on_close(pool.close)
    if sealed := await webhook_secrets(settings, pool).seal_all():
        context.log.info("webhook secrets sealed", secrets=sealed)
    reader = await reader_pool(settings.postgres_dsn, schema, max_size=settings.gateway_pool_max)
    context.on_close(reader.close)
    writer = LogWriter(settings, send_s_max=_SEND_S_MAX)
    await writer.start()
    context.on_close(writer.stop)
    keeper = LeaseKeeper(pool, LEASE, settings.gateway_instance)
    projection = Projection(pool, LogReader(settings, TOPICS), keeper)
    context.spawn("projection", projection.run(context.stop_event))
    # Of their own, so that what every order needs finds its plans, and these are the right ones.
    keys = await create_pool(
        settings.postgres_dsn, schema, min_size=2, max_size=_KEYS_POOL_MAX, plans_live_s=None
    )
    context.on_close(keys.close)
    intents = PostgresIntents(keys)
    app = build(settings, context.clock, pool, reader, writer, intents)
    context.spawn("streams", app.state.api.streams.run(context.stop_event))
    books = app.state.api.market_data.book
    markets = partial(_markets, PostgresMarkets(pool))
    context.spawn("books", books.keep(markets, context.stop_event, STORE_ERRORS))
    make_indications(context, pool, _timeline(settings).speed)
    server = Server(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        proxies=settings.gateway_proxies,
        shutdown_s=settings.shutdown_s,
        shares_port=settings.gateway_shares_port,
    )
    await StatusTopics(settings, pool).ensure_all()
    await warm(app)
    taking = build_direct(settings, context.clock, pool, writer)
    context.spawn("direct", taking.run(context.stop_event))
    logins = app.state.api.direct_logins
    context.spawn("logins", logins.run(context.stop_event, STORE_ERRORS))
    context.spawn("webhooks", build_webhooks(settings, pool).run(context.stop_event))
    context.spawn("studies", build_studies(settings, pool).run(context.stop_event))
    context.spawn("http", server.run_until(context.stop_event))
    port = await server.port()
    context.publish_state(http_port=port, http_url=f"http://{settings.gateway_host}:{port}")
    context.ready("http", ready=True)
    context.spawn("readiness", _tell_readiness(context, pool))
    context.log.info("listening", host=settings.gateway_host, port=port)


def main() -> None:
    """Run the gateway as a process."""
    run_service("gateway", run, load(GatewaySettings))


if __name__ == "__main__":
    main()
