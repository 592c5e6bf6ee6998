"""Indications put together: the part of the gateway that makes them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from services.gateway.adapters.http.problems import STORE_ERRORS
from services.gateway.adapters.indications import ChildProjector, PostgresIndications
from services.gateway.adapters.postgres import PostgresMarkets, PostgresReports
from services.gateway.app.indications import Indicator, Pace

if TYPE_CHECKING:
    from services.gateway.indication_ports import Projector
    from services.gateway.settings import GatewaySettings
    from services.kit.clock import Clock
    from services.kit.postgres import Pool
    from services.kit.run import ServiceContext


def make_indications(context: ServiceContext[GatewaySettings], pool: Pool, speed: float) -> None:
    """Make indications until the context stops, if the settings want any.

    Args:
        context: The process.
        pool: Pool of the gateway's schema.
        speed: Market seconds per real second.
    """
    settings = context.settings
    if not settings.gateway_indicative_s:
        return
    projector = ChildProjector(settings.gateway_indicative_memory_mib)
    context.on_close(projector.close)
    making = build_indicator(settings, pool, projector, context.clock, speed)
    context.spawn("indications", making.run(context.stop_event, STORE_ERRORS))


def build_indicator(
    settings: GatewaySettings, pool: Pool, projector: Projector, clock: Clock, speed: float
) -> Indicator:
    """Return what makes indications.

    Args:
        settings: The gateway's settings.
        pool: Pool of the gateway's schema.
        projector: Clears projected books.
        clock: The market's clock.
        speed: Market seconds per real second.
    """
    pace = Pace(
        every_s=settings.gateway_indicative_s,
        share=settings.gateway_indicative_share,
        speed=speed,
    )
    return Indicator(
        PostgresIndications(pool, pool),
        projector,
        PostgresMarkets(pool),
        PostgresReports(pool, None),
        clock,
        pace,
        time.monotonic,
    )
