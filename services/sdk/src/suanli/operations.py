"""Every call of the exchange's API as a value, apart from how it is sent.

Both clients (`suanli.Client`, `suanli.AsyncClient`) send these, so neither repeats a path.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote as _quoted

Json = dict[str, Any]
Param = str | int | bool | datetime | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One HTTP call.

    Attributes:
        method: HTTP method.
        path: Path from the API's root.
        params: Query parameters; ``None`` values are left out.
        body: JSON body, ``None`` if it has none.
        idempotency_key: Sent as ``Idempotency-Key``; makes a retry harmless.
    """

    method: str
    path: str
    params: dict[str, Param] = field(default_factory=dict)
    body: object = None
    idempotency_key: str | None = None


def new_key() -> str:
    """Return a fresh idempotency key."""
    return str(uuid.uuid4())


def submit(side: str, market_id: str, terms: Json, key: str | None = None) -> Operation:
    """Submit an order; ``side`` is ``offers`` or ``demand``."""
    body = {"market_id": market_id, "terms": terms}
    return Operation("POST", f"/v1/{side}", body=body, idempotency_key=key or new_key())


def quote(market_id: str, terms: Json) -> Operation:
    """Ask what a demand would get and cost; nothing is placed."""
    body = {"market_id": market_id, "terms": terms}
    return Operation("POST", "/v1/demand:quote", body=body)


def amend(
    side: str, order_id: str, expected_version: int, terms: Json, key: str | None = None
) -> Operation:
    """Replace the terms of an order."""
    body = {"expected_version": expected_version, "terms": terms}
    return Operation("PUT", f"/v1/{side}/{order_id}", body=body, idempotency_key=key or new_key())


def cancel(side: str, order_id: str) -> Operation:
    """Withdraw an order."""
    return Operation("DELETE", f"/v1/{side}/{order_id}")


def place(value: str | int) -> str:
    """Return a value as a part of a path; the path of a tile may hold slashes."""
    return _quoted(str(value), safe="/:")


def given(fields: Json) -> Json:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def read(path: str, **params: Param) -> Operation:
    """Read a resource or a page of a list."""
    return Operation("GET", path, params=params)


def register(
    participant_id: str,
    role: str,
    name: str,
    resource_code: str | None = None,
    beneficial_owner: str | None = None,
) -> Operation:
    """Admit a participant (operator)."""
    body = {
        "participant_id": participant_id,
        "role": role,
        "name": name,
        "resource_code": resource_code,
        "beneficial_owner": beneficial_owner,
    }
    return Operation("POST", "/v1/participants", body=body, idempotency_key=f"reg-{participant_id}")


def add_key(
    participant_id: str, label: str, scopes: Sequence[str] = ("read",), days: int | None = None
) -> Operation:
    """Make a further API key of a participant; its secret is in the reply, this once."""
    body: Json = {"label": label, "scopes": list(scopes)}
    if days is not None:
        body["expires_in_days"] = days
    return Operation("POST", f"/v1/participants/{participant_id}/keys", body=body)


def deposit(participant_id: str, amount: int, reference: str) -> Operation:
    """Record money that arrived, micro-yuan (operator); a reference is recorded once."""
    return Operation(
        "POST",
        f"/v1/participants/{participant_id}/deposits",
        body={"amount": amount, "reference": reference},
        idempotency_key=f"dep-{participant_id}-{_digest(reference)}",
    )


def top_up(amount: int, key: str | None = None) -> Operation:
    """Take play money, micro-yuan; only a sandbox gives it."""
    return Operation(
        "POST",
        "/v1/sandbox/top-up",
        body={"amount": amount},
        idempotency_key=key or new_key(),
    )


def deliver(allocation_id: str, periods: list[Json]) -> Operation:
    """Report delivered periods of an allocation (provider)."""
    return Operation(
        "POST",
        "/v1/deliveries",
        body={"allocation_id": allocation_id, "periods": periods},
        idempotency_key=f"dlv-{allocation_id}-{periods[0]['start']}",
    )


def withdraw(participant_id: str, amount: int, reference: str) -> Operation:
    """Pay out money, micro-yuan (operator); a reference is paid once."""
    return Operation(
        "POST",
        f"/v1/participants/{participant_id}/withdrawals",
        body={"amount": amount, "reference": reference},
        idempotency_key=f"wdr-{participant_id}-{_digest(reference)}",
    )


def collateral(
    participant_id: str, direction: str, amount: int, key: str | None = None
) -> Operation:
    """Make money collateral (``in``), or free it (``out``), micro-yuan."""
    return Operation(
        "POST",
        f"/v1/participants/{participant_id}/collateral",
        body={"direction": direction, "amount": amount},
        idempotency_key=key or new_key(),
    )


def reverse(entry_id: str, reason: str) -> Operation:
    """Take a booking back (operator); an entry is taken back once."""
    return Operation(
        "POST",
        "/v1/reversals",
        body={"entry_id": entry_id, "reason": reason},
        idempotency_key=f"rev-{entry_id}-{_digest(reason)}",
    )


def erase(entry_id: str, confirm: str, reason: str) -> Operation:
    """Erase what an entry says (operator); ``confirm`` is its leaf hash."""
    return Operation(
        "POST",
        "/v1/erasures",
        body={"entry_id": entry_id, "confirm": confirm, "reason": reason},
        idempotency_key=f"era-{entry_id}-{_digest(reason)}",
    )


def change_case(
    case_id: str, state: str, reason: str, expected_version: int, key: str | None = None
) -> Operation:
    """Change the state of a case of surveillance (regulator)."""
    return Operation(
        "POST",
        f"/v1/surveillance/cases/{case_id}/state",
        body={"state": state, "reason": reason, "expected_version": expected_version},
        idempotency_key=key or new_key(),
    )


def set_terms(terms: Json) -> Operation:
    """Set the next version of a market's terms of settlement (operator)."""
    return Operation("POST", "/v1/settlement-terms", body=terms)


def _digest(text: str) -> str:
    # A reference may hold blanks and Chinese, a key only visible ASCII.
    return hashlib.sha256(text.encode()).hexdigest()[:32]
