"""Ed25519 and ML-DSA for signed notes, by `cryptography`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.core.tlog.checkpoints import Cosignature, cosigned_message
from services.core.tlog.notes import KeyKind, Note, NoteError, SecretKey, Signature, VerifierKey

if TYPE_CHECKING:
    from typing import Self

_SEED_BYTES = 32


class NoteSigner:
    """Signs notes, or cosigns checkpoints, with one Ed25519 key.

    Args:
        name: Key name.
        seed: The 32 secret bytes.
        kind: Whether it is a log's key or a witness's.
    """

    def __init__(self, name: str, seed: bytes, kind: KeyKind = KeyKind.ED25519) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = VerifierKey(name, kind, public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the signer of a key as `SecretKey` writes it.

        Raises:
            NoteError: if it is none.
        """
        secret = SecretKey.parse(text)
        signer = cls(secret.name, secret.seed, secret.kind)
        if signer.verifier.id.hex() != secret.id_text:
            raise NoteError("the id of a secret key must be that of its public key, was not")
        return signer

    @classmethod
    def generate(cls, name: str, kind: KeyKind = KeyKind.ED25519) -> Self:
        """Return a signer with a new key."""
        return cls(name, secrets.token_bytes(_SEED_BYTES), kind)

    def secret_text(self) -> str:
        """Return the secret key as text, to be kept where only its owner reads."""
        return SecretKey.format(self.verifier, self._seed)

    def sign(self, text: str) -> Note:
        """Return a text as a note signed by this key."""
        assert self.verifier.kind is KeyKind.ED25519, "a witness cosigns"
        value = self._key.sign(text.encode())
        return Note(text, (Signature(self.verifier.name, self.verifier.id, value),))

    def cosign(self, text: str, time: int) -> Cosignature:
        """Return a cosignature of a checkpoint; its consistency was checked before.

        Args:
            text: The checkpoint without signatures.
            time: Seconds since 1970.
        """
        message = cosigned_message(self.verifier, time, text)
        return Cosignature(self.verifier, time, self._key.sign(message))


def verify(kind: KeyKind, public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a raw signature fits; implements `services.core.tlog.notes.Verify`."""
    try:
        if kind is KeyKind.COSIGNATURE_ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a raw Ed25519 signature by a public key fits a message."""
    return verify(KeyKind.ED25519, public, signature, message)
