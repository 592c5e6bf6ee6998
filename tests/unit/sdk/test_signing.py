"""Signing keys: where the secret is kept, what is signed, and how one logs in."""

from __future__ import annotations

import base64
import json
import stat
from datetime import datetime
from pathlib import Path

import pytest

from schemas.direct import DirectOffer, DirectReceipt, signed_bytes
from schemas.signing_keys import possession_bytes
from services.kit.signing import verify_ed25519
from suanli import direct_access
from suanli.direct_access import DirectAccess, DirectError
from suanli.signing import SigningKey, SigningKeyError

VECTORS = Path(__file__).parents[2] / "vectors" / "direct.json"
VARIABLES = {
    "SUANLI_DIRECT_BOOTSTRAP": "127.0.0.1:9093",
    "SUANLI_DIRECT_USER": "t-direct.provider-1",
    "SUANLI_DIRECT_PASSWORD": "secret-of-the-tests",
    "SUANLI_DIRECT_TOPIC": "t-offers.direct",
    "SUANLI_DIRECT_STATUS_TOPIC": "t-direct-status.provider-1",
}


def test_a_key_is_kept_where_its_owner_alone_reads_it(tmp_path: Path) -> None:
    key, file = SigningKey.generate(), tmp_path / "key.pem"
    key.save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SigningKey.load(file).public == key.public
    with pytest.raises(SigningKeyError, match="not there yet"):
        SigningKey.generate().save(file)
    assert SigningKey.load(file).public == key.public
    file.chmod(0o640)
    with pytest.raises(SigningKeyError, match=r"chmod 600[^\n]+was .*0640"):
        SigningKey.load(file)
    for text in (b"", b"no key"):
        other = tmp_path / "other.pem"
        other.write_bytes(text)
        other.chmod(0o600)
        with pytest.raises(SigningKeyError, match="Ed25519"):
            SigningKey.load(other)
    with pytest.raises(SigningKeyError, match="readable"):
        SigningKey.load(tmp_path / "absent.pem")


def test_a_record_is_signed_as_the_worked_example_and_fits_the_contract() -> None:
    vector = json.loads(VECTORS.read_text(encoding="utf-8"))
    key = SigningKey.of_seed(bytes.fromhex(vector["seed_hex"]))
    assert (key.key_id, key.public_text) == (vector["key_id"], vector["public_key"])
    assert key.sign(vector["signed"].encode()) == vector["signature"]
    body = json.loads(vector["value"])
    record = key.record(
        "offers.direct",
        body["participant_id"],
        body["market_id"],
        body["terms"],
        body["idempotency_key"],
        now=datetime.fromisoformat(body["issued_at"]),
    )
    data = DirectOffer.model_validate_json(record.value)
    assert data == DirectOffer.model_validate_json(vector["value"])
    headers = dict(record.headers)
    message = signed_bytes(headers["ce_type"].decode(), record.value)
    signature = base64.b64decode(headers["suanli_signature"])
    assert verify_ed25519(key.public, signature, message)
    names = set(direct_access.DirectReceipt.__annotations__)
    assert names == set(DirectReceipt.model_fields)


def test_a_proof_registers_the_key_for_one_participant() -> None:
    key = SigningKey.of_seed(bytes(range(32)))
    proof = base64.b64decode(key.proof("provider-1"))
    assert verify_ed25519(key.public, proof, possession_bytes("provider-1", key.public_text))
    assert not verify_ed25519(key.public, proof, possession_bytes("provider-2", key.public_text))


def test_a_password_is_not_shown_and_a_wrong_setting_is_named() -> None:
    access = DirectAccess.of(VARIABLES)
    assert "secret" not in repr(access)
    assert (access.participant_id, access.direct_topic) == ("provider-1", "offers.direct")
    assert access.options()["security_protocol"] == "SASL_PLAINTEXT"
    far = DirectAccess.of(VARIABLES | {"SUANLI_DIRECT_BOOTSTRAP": "kafka.example:9093"})
    # A password never crosses a network in the clear unless somebody says so.
    assert far.options()["security_protocol"] == "SASL_SSL"
    for name in VARIABLES:
        with pytest.raises(DirectError, match=name):
            DirectAccess.of({key: text for key, text in VARIABLES.items() if key != name})
    with pytest.raises(DirectError, match="SASL_SSL"):
        DirectAccess.of(VARIABLES | {"SUANLI_DIRECT_SECURITY": "none"})
