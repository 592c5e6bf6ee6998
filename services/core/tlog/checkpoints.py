"""Checkpoints, cosignatures of them, and the request by which a witness is asked for one.

Source: C2SP tlog-checkpoint, tlog-cosignature, tlog-witness.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.merkle import HASH_BYTES
from services.core.tlog.notes import KeyKind, Note, NoteError, Signature, VerifierKey, unpack_base64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.tlog.notes import Verify

SIZE_MAX = 2**63 - 1
# A tree of 2**63 entries has no longer proof; the witness protocol allows no more lines.
PROOF_LINES_MAX = 63

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head.

    Attributes:
        origin: Name of the log.
        size: Entries.
        root: Root hash.
        extensions: Further lines of the log.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode())
        return "\n".join((*lines, *self.extensions)) + "\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint of a note's text.

        Raises:
            NoteError: if it is none.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise NoteError(f"a checkpoint must have three lines or more, was {text[:100]!r}")
        origin, size, packed, *extensions = lines[:-1]
        root = unpack_base64(packed)
        if len(root) != HASH_BYTES:
            raise NoteError(f"a root must have {HASH_BYTES} bytes, was {len(root)}")
        return cls(origin, parse_size(size), root, tuple(extensions))


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's statement that it saw a checkpoint extend all that it saw before.

    Attributes:
        key: The witness's key.
        time: Seconds since 1970 at which it said so.
        signature: The raw signature.
    """

    key: VerifierKey
    time: int
    signature: bytes

    def line(self) -> Signature:
        """Return the signature line of the note."""
        value = self.time.to_bytes(_TIME_BYTES, "big") + self.signature
        return Signature(self.key.name, self.key.id, value)


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to a witness.

    Attributes:
        old_size: Size that the witness is believed to have cosigned last.
        proof: Consistency proof from there.
        note: The signed checkpoint.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        lines = [f"old {self.old_size}", *(base64.b64encode(one).decode() for one in self.proof)]
        return "\n".join(lines) + "\n\n" + str(self.note)

    @classmethod
    def parse(cls, raw: bytes) -> AddCheckpoint:
        """Return the request of its body.

        Raises:
            NoteError: if it is none.
        """
        head, gap, rest = raw.partition(b"\n\n")
        try:
            first, *lines = head.decode().split("\n")
        except UnicodeDecodeError:
            raise NoteError("a request must be UTF-8, was not") from None
        if not gap or not first.startswith("old "):
            raise NoteError("a request must begin with 'old ' and a size, did not")
        if len(lines) > PROOF_LINES_MAX:
            raise NoteError(f"a proof must have at most {PROOF_LINES_MAX} lines")
        return cls(parse_size(first[4:]), parse_hashes(lines), Note.parse(rest))


def cosigned_message(key: VerifierKey, time: int, text: str) -> bytes:
    """Return the bytes that a witness signs.

    Args:
        key: The witness's key; its kind decides the form.
        time: Seconds since 1970.
        text: The checkpoint, without signatures.
    """
    if key.kind is KeyKind.COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    assert key.kind is KeyKind.COSIGNATURE_ML_DSA_44, f"{key.kind.name} is no witness's key"
    head = Checkpoint.parse(text)
    parts = (
        b"subtree/v1\n\x00",
        _short(key.name.encode()),
        time.to_bytes(_TIME_BYTES, "big"),
        _short(head.origin.encode()),
        (0).to_bytes(8, "big"),
        head.size.to_bytes(8, "big"),
        head.root,
    )
    return b"".join(parts)


def cosignatures(
    note: Note, keys: Sequence[VerifierKey], verify: Verify
) -> tuple[Cosignature, ...]:
    """Return the witnesses among the keys that cosigned a checkpoint, the first of each.

    Raises:
        NoteError: if a cosignature of a known witness does not fit.
    """
    known = {(key.name, key.id): key for key in keys if key.kind is not KeyKind.ED25519}
    found: dict[VerifierKey, Cosignature] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        time = int.from_bytes(line.value[:_TIME_BYTES], "big")
        raw = line.value[_TIME_BYTES:]
        message = cosigned_message(key, time, note.text) if time <= SIZE_MAX else b""
        if not verify(key.kind, key.public, raw, message):
            raise NoteError(f"the cosignature of {key.name} must fit the checkpoint, did not")
        found.setdefault(key, Cosignature(key, time, raw))
    return tuple(found.values())


def parse_size(text: str) -> int:
    """Return a size or index written in decimal without leading zeros.

    Raises:
        NoteError: if it is not that, or past 2**63 - 1.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_MAX:
        raise NoteError(f"a decimal from 0 to {SIZE_MAX} was expected, was {text[:30]!r}")
    return int(text)


def parse_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Return the hashes of Base64 lines.

    Raises:
        NoteError: if one is no hash.
    """
    found = tuple(map(unpack_base64, lines))
    if any(len(one) != HASH_BYTES for one in found):
        raise NoteError(f"a hash must have {HASH_BYTES} bytes, was of another length")
    return found


def _short(raw: bytes) -> bytes:
    if not 1 <= len(raw) <= 255:
        raise NoteError(f"a name must have 1 to 255 bytes, was {len(raw)}")
    return bytes([len(raw)]) + raw
