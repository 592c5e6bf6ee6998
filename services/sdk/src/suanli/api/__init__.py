"""Every call of the exchange; generated from the contract by `make gen`."""

from __future__ import annotations

from suanli.api.allocations import AllocationsCalls
from suanli.api.async_allocations import AsyncAllocationsCalls
from suanli.api.async_audit import AsyncAuditCalls
from suanli.api.async_deliveries import AsyncDeliveriesCalls
from suanli.api.async_demand import AsyncDemandCalls
from suanli.api.async_exports import AsyncExportsCalls
from suanli.api.async_findings import AsyncFindingsCalls
from suanli.api.async_markets import AsyncMarketsCalls
from suanli.api.async_mobilisations import AsyncMobilisationsCalls
from suanli.api.async_money import AsyncMoneyCalls
from suanli.api.async_offers import AsyncOffersCalls
from suanli.api.async_orders import AsyncOrdersCalls
from suanli.api.async_participants import AsyncParticipantsCalls
from suanli.api.async_policies import AsyncPoliciesCalls
from suanli.api.async_prices import AsyncPricesCalls
from suanli.api.async_reports import AsyncReportsCalls
from suanli.api.async_rounds import AsyncRoundsCalls
from suanli.api.async_streams import AsyncStreamsCalls
from suanli.api.async_surveillance import AsyncSurveillanceCalls
from suanli.api.async_webhooks import AsyncWebhooksCalls
from suanli.api.audit import AuditCalls
from suanli.api.deliveries import DeliveriesCalls
from suanli.api.demand import DemandCalls
from suanli.api.exports import ExportsCalls
from suanli.api.findings import FindingsCalls
from suanli.api.markets import MarketsCalls
from suanli.api.mobilisations import MobilisationsCalls
from suanli.api.money import MoneyCalls
from suanli.api.offers import OffersCalls
from suanli.api.orders import OrdersCalls
from suanli.api.participants import ParticipantsCalls
from suanli.api.policies import PoliciesCalls
from suanli.api.prices import PricesCalls
from suanli.api.reports import ReportsCalls
from suanli.api.rounds import RoundsCalls
from suanli.api.streams import StreamsCalls
from suanli.api.surveillance import SurveillanceCalls
from suanli.api.webhooks import WebhooksCalls


class Calls(
    OffersCalls,
    DemandCalls,
    OrdersCalls,
    RoundsCalls,
    PricesCalls,
    AllocationsCalls,
    FindingsCalls,
    MarketsCalls,
    ExportsCalls,
    ParticipantsCalls,
    MoneyCalls,
    DeliveriesCalls,
    AuditCalls,
    PoliciesCalls,
    SurveillanceCalls,
    ReportsCalls,
    StreamsCalls,
    WebhooksCalls,
    MobilisationsCalls,
):
    """Every call, as methods."""


class AsyncCalls(
    AsyncOffersCalls,
    AsyncDemandCalls,
    AsyncOrdersCalls,
    AsyncRoundsCalls,
    AsyncPricesCalls,
    AsyncAllocationsCalls,
    AsyncFindingsCalls,
    AsyncMarketsCalls,
    AsyncExportsCalls,
    AsyncParticipantsCalls,
    AsyncMoneyCalls,
    AsyncDeliveriesCalls,
    AsyncAuditCalls,
    AsyncPoliciesCalls,
    AsyncSurveillanceCalls,
    AsyncReportsCalls,
    AsyncStreamsCalls,
    AsyncWebhooksCalls,
    AsyncMobilisationsCalls,
):
    """Every call, awaited."""
