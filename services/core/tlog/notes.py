"""Signed notes and their keys, byte for byte.

Source: C2SP signed-note v1; keys are written as Go's ``golang.org/x/mod/sumdb/note`` writes them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Post-quantum signatures have up to 5 kB, and a note must be able to have 16 signatures.
NOTE_BYTES_MAX = 128 * 1024
SIGNATURES_MAX = 64

_SIGNATURE = re.compile(r"\u2014 (\S+) (\S+)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_ID_BYTES = 4
_ED25519_BYTES = 32
_ML_DSA_44_BYTES = 1312
_PRIVATE = "PRIVATE+KEY"


class KeyKind(IntEnum):
    """What a key signs with; the byte stands in front of the public key."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06


_KEY_BYTES = {
    KeyKind.ED25519: _ED25519_BYTES,
    KeyKind.COSIGNATURE_ED25519: _ED25519_BYTES,
    KeyKind.COSIGNATURE_ML_DSA_44: _ML_DSA_44_BYTES,
}


class NoteError(ValueError):
    """A text is no note, key, checkpoint or proof, or nobody whom we trust signed it."""


class Verify(Protocol):
    """Tells whether a raw signature by a public key fits a message."""

    def __call__(self, kind: KeyKind, public: bytes, signature: bytes, message: bytes) -> bool:
        """Return whether it fits; a key or signature of a wrong form does not."""
        ...


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under.

    Attributes:
        name: Key name, for a log its origin.
        kind: What it signs with.
        public: The raw public key.
    """

    name: str
    kind: KeyKind
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the key id: SHA-256(name, newline, kind, public key)[:4]."""
        return key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        packed = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{packed}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key of its text form ``name+id+base64(kind, key)``.

        Raises:
            NoteError: if it is not one, or its id is another key's.
        """
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteError(f"a verifier key must be name+id+key, was {text[:80]!r}")
        name, id_text, packed = parts
        raw = unpack_base64(packed)
        kind = _kind_of(raw)
        key = cls(_checked_name(name), kind, raw[1:])
        if len(key.public) != _KEY_BYTES[kind]:
            raise NoteError(f"key of {name} must have {_KEY_BYTES[kind]} bytes, was {len(raw) - 1}")
        if key.id.hex() != id_text:
            raise NoteError(f"key id of {name} must be {key.id.hex()}, was {id_text[:20]!r}")
        return key


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret Ed25519 seed with its name, as ``PRIVATE+KEY+name+id+base64(kind, seed)``.

    Attributes:
        name: Key name.
        kind: What it signs with.
        seed: The 32 secret bytes.
        id_text: The key id that the text names, hexadecimal; whoever has the public key checks it.
    """

    name: str
    kind: KeyKind
    seed: bytes
    id_text: str

    def __repr__(self) -> str:
        return f"SecretKey({self.name!r}, not shown)"

    @classmethod
    def parse(cls, text: str) -> SecretKey:
        """Return the key of its text form.

        Raises:
            NoteError: if it is not one; the text is not repeated.
        """
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or "+".join(parts[:2]) != _PRIVATE:
            raise NoteError(f"a secret key must be {_PRIVATE}+name+id+key, was not, not shown")
        raw = unpack_base64(parts[4])
        kind = _kind_of(raw)
        if kind is KeyKind.COSIGNATURE_ML_DSA_44 or len(raw) != _ED25519_BYTES + 1:
            raise NoteError("a secret key must be an Ed25519 seed of 32 bytes, was not, not shown")
        return cls(_checked_name(parts[2]), kind, raw[1:], parts[3])

    @staticmethod
    def format(verifier: VerifierKey, seed: bytes) -> str:
        """Return the text of the secret key that belongs to a verifier key."""
        packed = base64.b64encode(bytes([verifier.kind]) + seed).decode()
        return f"{_PRIVATE}+{verifier.name}+{verifier.id.hex()}+{packed}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line of a note.

    Attributes:
        name: Key name.
        key_id: The four bytes that tell keys of one name apart.
        value: What the key's algorithm made.
    """

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Return the signature of a line without its newline.

        Raises:
            NoteError: if it is none.
        """
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise NoteError(f"a signature line must be '\u2014 name base64', was {line[:80]!r}")
        raw = unpack_base64(match[2])
        if len(raw) <= _ID_BYTES:
            raise NoteError(f"a signature must have more than 4 bytes, was {len(raw)}")
        return cls(_checked_name(match[1]), raw[:_ID_BYTES], raw[_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it; nothing is verified by being parsed.

    Attributes:
        text: The signed text, its last newline included.
        signatures: In their order.
    """

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))

    @classmethod
    def parse(cls, raw: bytes | str) -> Note:
        """Return the note of its bytes.

        Raises:
            NoteError: if it is none, or larger than is taken.
        """
        data = raw.encode() if isinstance(raw, str) else raw
        if len(data) > NOTE_BYTES_MAX:
            raise NoteError(f"a note must have at most {NOTE_BYTES_MAX} bytes, was {len(data)}")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise NoteError("a note must be UTF-8, was not") from None
        if _CONTROL.search(whole):
            raise NoteError("a note must have no control characters but newline, was with one")
        text, gap, lines = whole.rpartition("\n\n")
        if not gap or not lines.endswith("\n"):
            raise NoteError("a note must be text, a blank line and signature lines, was not")
        found = tuple(Signature.parse(line) for line in lines[:-1].split("\n"))
        if len(found) > SIGNATURES_MAX:
            raise NoteError(f"a note must have at most {SIGNATURES_MAX} signatures")
        return cls(text + "\n", found)

    def with_signatures(self, added: Iterable[Signature]) -> Note:
        """Return the note with further signatures, each at most once."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *added))))


def key_id(name: str, kind: KeyKind, public: bytes) -> bytes:
    """Return SHA-256(name, newline, kind, public key)[:4]."""
    body = name.encode() + b"\n" + bytes([kind]) + public
    return hashlib.sha256(body).digest()[:_ID_BYTES]


def verified(note: Note, keys: Sequence[VerifierKey], verify: Verify) -> tuple[VerifierKey, ...]:
    """Return the log keys (kind 1) that signed a note; others' signatures are ignored.

    Raises:
        NoteError: if a signature of a known key does not fit, or no known key signed.
    """
    known = {(key.name, key.id): key for key in keys if key.kind is KeyKind.ED25519}
    found = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not verify(key.kind, key.public, signature.value, note.text.encode()):
            raise NoteError(f"the signature of {key.name} must fit the note, did not")
        found.append(key)
    if not found:
        names = ", ".join(sorted(key.name for key in known.values()))
        raise NoteError(f"a note must be signed by {names or 'a known key'}, was not")
    return tuple(dict.fromkeys(found))


def unpack_base64(text: str) -> bytes:
    """Return the bytes of standard Base64 in its one canonical form.

    Raises:
        NoteError: if it is not that.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = None
    # Python takes stray bits in the last character; one value must have one text.
    if raw is None or base64.b64encode(raw).decode() != text:
        raise NoteError(f"standard Base64 was expected, was {text[:80]!r}")
    return raw


def _kind_of(raw: bytes) -> KeyKind:
    try:
        return KeyKind(raw[0])
    except (IndexError, ValueError):
        raise NoteError("a key must be of kind 1, 4 or 6, was of another") from None


def _checked_name(name: str) -> str:
    if not name or "+" in name or any(char.isspace() for char in name):
        raise NoteError(f"a key name must have no space and no plus, was {name[:80]!r}")
    return name
