"""Webhooks put together: the commands about them, and the part of the gateway that tells them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from services.gateway.adapters.http.problems import STORE_ERRORS
from services.gateway.adapters.webhook_secrets import WebhookSecrets
from services.gateway.adapters.webhook_sender import HttpSender
from services.gateway.adapters.webhooks import LEASE, LeasedWebhooks, PostgresWebhooks
from services.gateway.app.webhook_worker import WebhookWorker
from services.gateway.app.webhooks import WebhookCommands
from services.gateway.errors import UnavailableError
from services.kit.clock import SystemClock
from services.kit.postgres import LeaseKeeper

if TYPE_CHECKING:
    from services.gateway.settings import GatewaySettings
    from services.gateway.webhook_ports import WebhookQueue
    from services.kit.postgres import Pool


def webhook_commands(settings: GatewaySettings, pool: Pool, reader: Pool) -> WebhookCommands:
    """Return the commands about webhooks.

    Args:
        settings: The gateway's settings.
        pool: Pool of the gateway's schema.
        reader: Pool for what requests read.
    """
    return WebhookCommands(
        PostgresWebhooks(pool, reader, webhook_secrets(settings, pool)),
        _sender(settings),
        SystemClock(),
    )


def build_webhooks(settings: GatewaySettings, pool: Pool) -> LeasedWebhooks:
    """Return what tells webhooks.

    Args:
        settings: The gateway's settings.
        pool: Pool of the gateway's schema.
    """
    sender = _sender(settings)

    def make(queue: WebhookQueue) -> WebhookWorker:
        return WebhookWorker(
            queue,
            sender,
            SystemClock(),
            random.random,
            store_errors=(*STORE_ERRORS, UnavailableError),
            first_retry_s=settings.gateway_webhook_retry_s,
            failing_days=settings.gateway_webhook_days,
            kept_days=settings.gateway_stream_days,
        )

    keeper = LeaseKeeper(pool, LEASE, settings.gateway_instance)
    return LeasedWebhooks(pool, webhook_secrets(settings, pool), keeper, make)


def webhook_secrets(settings: GatewaySettings, pool: Pool) -> WebhookSecrets:
    """Return the secrets of webhooks, as they are sealed in the database.

    Args:
        settings: The gateway's settings.
        pool: Pool of the gateway's schema.
    """
    return WebhookSecrets(pool, settings.webhook_sealer())


def _sender(settings: GatewaySettings) -> HttpSender:
    return HttpSender(
        settings.gateway_webhook_hosts,
        settings.gateway_webhook_networks,
        allow_http=settings.gateway_webhook_http,
        timeout_s=settings.gateway_webhook_timeout_s,
    )
