"""Orders against the signed records that they name."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.codec import Envelope
from schemas.direct import signed_bytes
from schemas.events import OfferSubmitted
from schemas.signing_keys import SigningKeySet
from services.core.direct_audit import (
    GRACE_MS,
    KeyLives,
    NamedOrder,
    SignedRecord,
    cause_of,
    fault_of,
    named_order,
    record_of,
)
from services.kit.signing import verify_ed25519
from tests.integration.matching.desk import offer
from tests.unit.ledger.world import envelope_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_ID = f"dk_{hashlib.sha256(PUBLIC).hexdigest()[:32]}"
ORDER = offer("a")
TOLD_MS = 1_700_000_000_000


def record(order: OfferSubmitted = ORDER, **more: object) -> SignedRecord:
    """Return what the order's owner signed."""
    body = {
        "participant_id": order.participant_id,
        "market_id": order.market_id,
        "idempotency_key": "k1",
        "issued_at": "2026-11-27T00:00:00+00:00",
        "expires_at": "2026-11-27T00:05:00+00:00",
        "topic": "offers.direct",
        "terms": order.terms.model_dump(mode="json"),
    } | more
    value, kind = json.dumps(body).encode(), "suanli.direct.offer.v1"
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "k1",
        "ce_type": kind,
        "ce_source": "/participants/p",
        "ce_time": "2026-11-27T00:00:00+00:00",
        "suanli_keyid": KEY_ID,
        "suanli_signature": base64.b64encode(KEY.sign(signed_bytes(kind, value))).decode(),
    }
    return record_of([(name, text.encode()) for name, text in headers.items()], value)


def key_set(state: str, who: str = ORDER.participant_id) -> SigningKeySet:
    public = base64.b64encode(PUBLIC).decode()
    told = {"participant_id": who, "key_id": KEY_ID, "public_key": public, "state": state}
    return SigningKeySet.model_validate(told)


def lives(*told: tuple[str, int]) -> KeyLives:
    found = KeyLives()
    for state, at_ms in told:
        found.take(key_set(state), at_ms)
    return found


NAMED = NamedOrder(ORDER, ("offers.direct", 0, 17), TOLD_MS)
COUNTS = ("active", TOLD_MS - 1)


def code_of(found: SignedRecord | None, known: KeyLives, named: NamedOrder = NAMED) -> str | None:
    fault = fault_of(named, found, known, verify_ed25519)
    return None if fault is None else fault.code


def test_an_order_names_the_record_that_it_was_made_of() -> None:
    envelope = replace(envelope_of(ORDER), causation_id=cause_of("offers.direct", 0, 17))
    assert named_order(envelope, TOLD_MS) == NAMED
    for cause in ("", "some-event", "offers/0@1", "offers.direct/0@-1"):
        assert named_order(replace(envelope, causation_id=cause), TOLD_MS) is None
    other: Envelope = replace(envelope, data=key_set("active"))
    assert named_order(other, TOLD_MS) is None


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ([COUNTS], None),
        ([("active", TOLD_MS + GRACE_MS)], None),
        ([("active", TOLD_MS + GRACE_MS + 1)], "untold"),
        ([], "untold"),
        ([COUNTS, ("revoked", TOLD_MS - GRACE_MS)], None),
        ([COUNTS, ("revoked", TOLD_MS - GRACE_MS - 1)], "revoked"),
        # The same told again later changes no life.
        ([COUNTS, ("revoked", TOLD_MS - GRACE_MS - 1), ("active", TOLD_MS - 5)], "revoked"),
        ([COUNTS, ("revoked", TOLD_MS - GRACE_MS - 1), ("revoked", TOLD_MS)], "revoked"),
    ],
)
def test_a_key_counts_from_when_it_was_told_until_it_was_revoked(
    told: list[tuple[str, int]], code: str | None
) -> None:
    assert code_of(record(), lives(*told)) == code


def test_an_order_is_what_its_owner_signed_or_is_found_out() -> None:
    known = lives(COUNTS)
    good = record()
    assert code_of(None, known) == "record"
    for forged in (
        replace(good, value=good.value.replace(b'"chips": 8', b'"chips": 9')),
        replace(good, kind="suanli.direct.demand.v1"),
        replace(good, signature="no Base64"),
        record_of([("suanli_keyid", KEY_ID.encode())], None),
    ):
        assert code_of(forged, known) == "signature"
    terms = ORDER.terms.model_copy(update={"ask": 1})
    for order in (
        ORDER.model_copy(update={"terms": terms}),
        ORDER.model_copy(update={"market_id": "another"}),
    ):
        assert code_of(good, known, replace(NAMED, order=order)) == "terms"
    # Signed well, but for somebody else.
    assert code_of(record(participant_id="p-other"), known) == "terms"
    stranger = ORDER.model_copy(update={"participant_id": "p-other"})
    assert code_of(good, known, replace(NAMED, order=stranger)) == "untold"
