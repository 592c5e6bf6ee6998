"""Signed records, byte for byte: what is signed, by which key id, and the program of the page."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.direct import KEY_HEADER, SIGNATURE_HEADER, signed_bytes
from services.gateway.app.direct import key_id_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def vector() -> dict[str, str]:
    found: dict[str, str] = json.loads((ROOT / "tests/vectors/direct.json").read_text("utf-8"))
    return found


def test_the_worked_example_is_what_is_signed_and_how(vector: dict[str, str]) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed_hex"]))
    public = key.public_key().public_bytes_raw()
    message = signed_bytes(vector["type"], vector["value"].encode())
    assert message == vector["signed"].encode()
    assert base64.b64encode(key.sign(message)).decode() == vector["signature"]
    assert base64.b64encode(public).decode() == vector["public_key"]
    assert key_id_of(public) == vector["key_id"]


def test_the_program_of_the_page_signs_as_the_worked_example(vector: dict[str, str]) -> None:
    page = (ROOT / "docs/reference/direct.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - our own page
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["seed_hex"]))
    record = names["signed"](key, json.loads(vector["value"]))
    headers = dict(record["headers"])
    message = signed_bytes(headers["ce_type"].decode(), record["value"])
    key.public_key().verify(base64.b64decode(headers[SIGNATURE_HEADER]), message)
    assert headers[KEY_HEADER].decode() == vector["key_id"]
    assert record["key"] == b"jjj-spot"
