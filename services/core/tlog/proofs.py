"""Proof files: everything that shows offline that an entry is in the log.

Source: C2SP tlog-proof v1.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from services.core.tlog.checkpoints import PROOF_LINES_MAX, parse_hashes, parse_size
from services.core.tlog.notes import Note, NoteError, unpack_base64

_FIRST = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A proof file.

    Attributes:
        index: Place of the entry in the log.
        proof: Audit path, leaf's neighbour first.
        note: The checkpoint with all its signatures.
        extra: What the application adds, here the opening of the entry; ``None`` if nothing.
    """

    index: int
    proof: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def __str__(self) -> str:
        lines = [_FIRST]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(one).decode() for one in self.proof]
        return "\n".join(lines) + "\n\n" + str(self.note)

    @classmethod
    def parse(cls, raw: bytes) -> ProofFile:
        """Return the proof of a file; nothing is verified.

        Raises:
            NoteError: if it is none.
        """
        head, gap, rest = raw.partition(b"\n\n")
        try:
            first, *lines = head.decode().split("\n")
        except UnicodeDecodeError:
            raise NoteError("a proof must be UTF-8, was not") from None
        if not gap or first != _FIRST:
            raise NoteError(f"a proof must begin with {_FIRST}, was {first[:40]!r}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = unpack_base64(lines.pop(0)[6:])
        if not lines or not lines[0].startswith("index "):
            raise NoteError("a proof must name its index, did not")
        if len(lines) > PROOF_LINES_MAX + 1:
            raise NoteError(f"a proof must have at most {PROOF_LINES_MAX} hashes")
        return cls(parse_size(lines[0][6:]), parse_hashes(lines[1:]), Note.parse(rest), extra)
