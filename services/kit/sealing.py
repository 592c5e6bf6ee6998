"""Secrets that are kept sealed: AES-256-GCM, under a key that is not kept beside them."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import TYPE_CHECKING, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_ID = re.compile(r"[a-z0-9_-]{1,32}")
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
SEAL_BYTES = _NONCE_BYTES + _TAG_BYTES
"""By so much what is sealed is longer."""


class SealError(Exception):
    """What is sealed cannot be read: its key is not known, or it was changed or moved."""


class Sealer:
    """Seals with the newest key, and opens what any of the keys sealed.

    A nonce is drawn for each seal; a key is good for some billions of them.

    Args:
        keys: 32 secret bytes by the key's name, the newest first.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: AESGCM(key) for name, key in keys.items()}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the sealer of keys as settings write them: ``name:Base64``, newest first.

        Raises:
            ValueError: telling what a key must be; no secret is in it.
        """
        keys: dict[str, bytes] = {}
        for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
            name, _, encoded = part.partition(":")
            if not _KEY_ID.fullmatch(name) or name in keys:
                msg = f"name:key, with names of a-z, 0-9, - and _, each once (see key {number})"
                raise ValueError(msg)
            try:
                keys[name] = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                keys[name] = b""
            if len(keys[name]) != _KEY_BYTES:
                raise ValueError(f"name:key, each key Base64 of {_KEY_BYTES} bytes (see {name})")
        return cls(keys)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the keys, the newest first."""
        return tuple(self._keys)

    def seal(self, secret: bytes, owner: str) -> tuple[str, bytes]:
        """Return the name of the key, and what is kept.

        Args:
            secret: What nobody else may know.
            owner: Whose it is; under another owner it cannot be opened.

        Raises:
            SealError: if there is no key.
        """
        if not self._keys:
            raise SealError("a key must be there, none was")
        name, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return name, nonce + key.encrypt(nonce, secret, _bound(name, owner))

    def open(self, name: str, sealed: bytes, owner: str) -> bytes:
        """Return a secret.

        Raises:
            SealError: if its key is not known, or it was changed or is another owner's.
        """
        key = self._keys.get(name)
        if key is None:
            raise SealError(f"the key must be one of {list(self._keys)}, was {name}")
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return key.decrypt(nonce, rest, _bound(name, owner))
        except (InvalidTag, ValueError):
            raise SealError(f"what is sealed for {owner} must be as it was, was not") from None


def _bound(name: str, owner: str) -> bytes:
    return f"{name} {owner}".encode()
