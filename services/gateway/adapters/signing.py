"""Receipts signed with Ed25519, so that a participant can prove what the exchange took."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.kit.errors import SettingsError

_SEED_BYTES = 32


class ReceiptSigner:
    """Signs with one key; its id is the start of the public key's hash.

    Args:
        seed: Base64 of the 32 secret bytes.

    Raises:
        SettingsError: if the seed is not that.
    """

    def __init__(self, seed: str) -> None:
        try:
            raw = base64.b64decode(seed, validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) != _SEED_BYTES:
            found = f"{len(raw)} bytes, not shown"
            allowed = f"Base64 of {_SEED_BYTES} bytes"
            raise SettingsError((("SUANLI_GATEWAY_RECEIPT_KEY", found, allowed),))
        self._key = Ed25519PrivateKey.from_private_bytes(raw)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = base64.b64encode(public).decode()
        self.key_id = "rk_" + hashlib.sha256(public).hexdigest()[:16]

    def sign(self, message: bytes) -> str:
        """Return the signature, Base64."""
        return base64.b64encode(self._key.sign(message)).decode()
