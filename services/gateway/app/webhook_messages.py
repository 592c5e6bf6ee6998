"""What is sent to webhooks: bodies and their ids."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.webhooks import WebhookGapTold
from services.gateway.webhook_ports import Outgoing

if TYPE_CHECKING:
    from services.gateway.webhook_ports import Endpoint, ToTell

PING = "webhook.ping"
GAP = "webhook.gap"


def message_of(feed: str, told: ToTell) -> Outgoing:
    """Return something of the feed as a message; its id is that of the streams' event."""
    item = told.item
    kind = f"{item.stream}.{item.kind}"
    body = _body(kind, told.told_at, item.body)
    return Outgoing(f"msg_{feed}-{item.seq}", kind, item.seq, body)


def gap_of(endpoint: Endpoint, now: datetime) -> tuple[Outgoing, int]:
    """Return the message that tells what is gone, and the last number that is."""
    until = endpoint.kept_from - 1
    gap = WebhookGapTold(
        after=f"{endpoint.feed}-{endpoint.last_seq}", until=f"{endpoint.feed}-{until}"
    )
    message_id = f"msg_{endpoint.feed}-{until}.gap"
    return Outgoing(message_id, GAP, None, _body(GAP, now, gap.model_dump_json())), until


def ping_of(webhook_id: str, name: str, now: datetime) -> Outgoing:
    """Return a message that tells nothing."""
    data = json.dumps({"webhook_id": webhook_id})
    return Outgoing(f"ping_{name}", PING, None, _body(PING, now, data))


def _body(kind: str, at: datetime, data: str) -> bytes:
    # Not parsed and written again: what streams tell is told byte by byte.
    when = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return f'{{"type":"{kind}","timestamp":"{when}","data":{data}}}'.encode()
