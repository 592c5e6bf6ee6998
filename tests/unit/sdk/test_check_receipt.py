"""A receipt against the rounds' manifests: taken in, not its turn yet, or left out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from suanli.check_receipt import is_manifest_signed_by, is_signed_by, judged, key_id_of, taken_in

ORDER = "off_" + "a" * 26
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = base64.b64encode(SECRET.public_key().public_bytes_raw()).decode()
RECEIPT: dict[str, Any] = {
    "order_id": ORDER,
    "market_id": "jjj",
    "event_id": "e",
    "topic": "offers",
    "partition": 1,
    "offset": 7,
}


def rounds(*ranges: tuple[int, int] | None) -> list[dict[str, Any]]:
    """Return rounds from 1 with one range of the topic each, latest first as they are listed."""
    other = {"topic": "offers", "partition": 0, "start": 0, "end": 99}
    found = []
    for seq, span in enumerate(ranges, start=1):
        own = {"topic": "offers", "partition": 1}
        manifest = [other, own | {"start": span[0], "end": span[1]}] if span else [other]
        fact = {"round_id": f"jjj:{seq}", "market_id": "jjj", "seq": seq, "manifest": manifest}
        found.append(fact)
    return found[::-1]


@pytest.mark.parametrize(
    ("ranges", "state", "round_id"),
    [
        ([(0, 7), (7, 8)], "taken", "jjj:2"),
        ([(0, 9)], "taken", "jjj:1"),
        ([(0, 3), None, (3, 30)], "taken", "jjj:3"),
        ([(0, 7)], "waiting", None),
        ([], "waiting", None),
        ([(0, 7), (8, 20)], "omitted", "jjj:2"),
        ([(8, 20)], "omitted", "jjj:1"),
        ([(0, 5), (6, 20)], "omitted", "jjj:2"),
    ],
)
def test_ranges_without_a_gap_say_which_round_took_a_record_in(
    ranges: list[tuple[int, int] | None], state: str, round_id: str | None
) -> None:
    found = taken_in(RECEIPT, rounds(*ranges))
    assert (found.state, found.round_id) == (state, round_id)


def test_a_round_that_is_missing_proves_nothing() -> None:
    listed = [item for item in rounds((0, 7), (7, 8), (8, 9)) if item["seq"] != 2]
    assert taken_in(RECEIPT, listed).state == "unknown"


def test_what_was_taken_in_is_in_a_book_or_had_a_verdict() -> None:
    found = taken_in(RECEIPT, rounds((0, 9)))
    empty = {"round_id": "jjj:1", "offers": [], "demands": []}
    full = {"round_id": "jjj:2", "offers": [{"id": ORDER}], "demands": []}
    assert judged(RECEIPT, found, [empty, full], {}).state == "taken"
    assert judged(RECEIPT, found, [empty], {"state": "rejected", "reason": None}).state == "taken"
    assert judged(RECEIPT, found, [empty], {}).state == "omitted"
    assert judged(RECEIPT, found, [empty], None).state == "unknown"


def test_a_manifests_signature_covers_its_ranges_and_book_and_is_no_receipts() -> None:
    item = rounds((0, 7))[0] | {"book_digest": "5f" * 32}
    fields = {name: item[name] for name in ("book_digest", "manifest", "market_id", "round_id")}
    fields |= {"seq": 1, "record": "suanli.round.manifest.v1"}
    message = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    signature = base64.b64encode(SECRET.sign(message)).decode()
    signed = item | {"manifest_signature": {"key_id": key_id_of(KEY), "signature": signature}}
    assert is_manifest_signed_by(signed, KEY)
    for forged in (
        signed | {"manifest": []},
        signed | {"book_digest": "60" * 32},
        signed | {"seq": 2},
        item,
        item | {"manifest_signature": None},
    ):
        assert not is_manifest_signed_by(forged, KEY)
    other = base64.b64encode(bytes(32)).decode()
    assert not is_manifest_signed_by(signed, other)
    assert not is_signed_by(fields | {"key_id": key_id_of(KEY), "signature": signature}, KEY)


def test_a_signature_covers_every_field_and_only_its_key_made_it() -> None:
    fields = RECEIPT | {"key_id": key_id_of(KEY), "sha256": "0" * 64}
    message = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    signed = fields | {"signature": base64.b64encode(SECRET.sign(message.encode())).decode()}
    assert is_signed_by(signed, KEY)
    assert is_signed_by(signed | {"deposit_id": None}, KEY)
    assert not is_signed_by(signed | {"offset": 8}, KEY)
    assert not is_signed_by(signed | {"signature": "AAAA"}, KEY)
    assert not is_signed_by(fields, KEY)
    other = base64.b64encode(bytes(32)).decode()
    assert not is_signed_by(signed, other)
    with pytest.raises(ValueError, match="Base64 of 32 bytes"):
        is_signed_by(signed, "short")
