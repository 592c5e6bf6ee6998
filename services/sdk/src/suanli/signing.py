"""Signing keys of participants, and records signed by them (`pip install suanli[kafka]`).

A record's signature covers `signed_bytes` of its type and value, as docs/reference/direct.md
has it. The secret stays in a file that nobody else may read; the exchange knows the public half.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from suanli.errors import FieldError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from suanli.operations import Json

VALID_S_MAX: Final = 3_600
VALUE_BYTES_MAX: Final = 65_536
_PRIVATE: Final = 0o600
_KEY_CHARS_MAX: Final = 10_000
_KIND: Final = {
    "offers.direct": "suanli.direct.offer.v1",
    "demand.direct": "suanli.direct.demand.v1",
}
_POSSESSION: Final = "suanli.signing-key.v1"


class SigningKeyError(FieldError):
    """A signing key cannot be read or written."""


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record as it goes to the broker."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def signed_bytes(event_type: str, value: bytes) -> bytes:
    """Return what a signature covers: the pre-authentication encoding of DSSE, version 1."""
    name = event_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(value), value)


class SigningKey:
    """An Ed25519 key that signs for a participant.

    Args:
        secret: The private key.
    """

    def __init__(self, secret: Ed25519PrivateKey) -> None:
        """Hold the key; nothing prints it."""
        self._secret = secret
        self.public: bytes = secret.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        """Return a new key.

        Raises:
            ModuleNotFoundError: if `cryptography` is not installed.
        """
        return cls(_ed25519().Ed25519PrivateKey.generate())

    @classmethod
    def of_seed(cls, seed: bytes) -> Self:
        """Return the key of 32 secret bytes."""
        return cls(_ed25519().Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the key in a file, PEM as of `save`.

        Raises:
            SigningKeyError: if others may read the file, or it holds no such key.
            ModuleNotFoundError: if `cryptography` is not installed.
        """
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - an extra
            load_pem_private_key,
        )

        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_bytes()[:_KEY_CHARS_MAX]
        except OSError as error:
            raise _wrong(path, "a readable file", "可读取的文件") from error
        if mode & 0o077:
            found = f"{path} (mode {mode:04o})"
            raise SigningKeyError(
                "key file",
                found,
                (
                    f"readable by its owner alone: chmod 600 {path}",
                    f"仅所有者可读的文件:chmod 600 {path}",
                ),
            )
        try:
            secret = load_pem_private_key(text, password=None)
        except (ValueError, TypeError) as error:
            raise _wrong(path, "PEM of an Ed25519 key", "Ed25519 私钥的 PEM") from error
        if not isinstance(secret, _ed25519().Ed25519PrivateKey):
            raise _wrong(path, "PEM of an Ed25519 key", "Ed25519 私钥的 PEM")
        return cls(secret)

    def save(self, path: Path) -> None:
        """Write the key to a new file of mode 0600.

        Raises:
            SigningKeyError: if there is a file already, or it cannot be written.
        """
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - an extra
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        text = self._secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            # Private before the first byte is in it; never over a key that may be in use.
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
            with os.fdopen(opened, "wb") as sink:
                sink.write(text)
        except FileExistsError as error:
            raise _wrong(path, "a file that is not there yet", "尚不存在的文件") from error
        except OSError as error:
            raise _wrong(path, "a file that can be written", "可写入的文件") from error

    @property
    def public_text(self) -> str:
        """Return the public key as the exchange takes it: Base64 of 32 bytes."""
        return base64.b64encode(self.public).decode()

    @property
    def key_id(self) -> str:
        """Return the name of the key: the start of the public key's hash."""
        return f"dk_{hashlib.sha256(self.public).hexdigest()[:32]}"

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, Base64."""
        return base64.b64encode(self._secret.sign(message)).decode()

    def proof(self, participant_id: str) -> str:
        """Return the signature that registers this key for a participant.

        It names the participant, so that it registers the key for nobody else.
        """
        text = f"{participant_id} {self.public_text}".encode()
        return self.sign(signed_bytes(_POSSESSION, text))

    def record(
        self,
        topic: str,
        participant_id: str,
        market_id: str,
        terms: Json,
        idempotency_key: str,
        *,
        valid_s: int = 300,
        now: datetime | None = None,
    ) -> SignedRecord:
        """Return an order as a signed record.

        Args:
            topic: ``offers.direct`` or ``demand.direct``, without the exchange's prefix.
            participant_id: Whose order it is.
            market_id: Market.
            terms: Terms as in the API.
            idempotency_key: The same key has one effect.
            valid_s: Seconds from now for which it counts, at most an hour.
            now: Time that it is issued at; the clock's by default.
        """
        issued = now or datetime.now(UTC)
        body: dict[str, Any] = {
            "participant_id": participant_id,
            "market_id": market_id,
            "topic": topic,
            "idempotency_key": idempotency_key,
            "issued_at": issued.isoformat(),
            "expires_at": (issued + timedelta(seconds=min(valid_s, VALID_S_MAX))).isoformat(),
            "terms": terms,
        }
        kind, value = _KIND[topic], json.dumps(body, ensure_ascii=False).encode()
        headers = {
            "ce_specversion": "1.0",
            "ce_id": idempotency_key,
            "ce_type": kind,
            "ce_source": f"/participants/{participant_id}",
            "ce_time": body["issued_at"],
            "suanli_keyid": self.key_id,
            "suanli_signature": self.sign(signed_bytes(kind, value)),
        }
        pairs = tuple((name, text.encode()) for name, text in headers.items())
        return SignedRecord(market_id.encode(), value, pairs)


def _ed25519() -> Any:  # noqa: ANN401 - a module
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - an extra

    return ed25519


def _wrong(path: Path, en: str, zh: str) -> SigningKeyError:
    return SigningKeyError("key file", str(path), (en, zh))
