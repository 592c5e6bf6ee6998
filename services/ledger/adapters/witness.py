"""Asking witnesses for cosignatures over HTTP (C2SP tlog-witness)."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from services.core.tlog.checkpoints import AddCheckpoint, cosignatures, parse_size
from services.core.tlog.notes import KeyKind, Note, NoteError, Signature, VerifierKey
from services.kit.logging import get_logger
from services.kit.signing import verify
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from services.core.tlog.checkpoints import Cosignature

# Below the shortest sensible beat, so that a dead witness delays heads by little.
_ANSWER_S_MAX = 3.0
_ANSWER_BYTES_MAX = 64 * 1024


class HttpWitness:
    """A witness at an address.

    Args:
        key: Its verifier key.
        url: Prefix before ``/add-checkpoint``.
    """

    def __init__(self, key: VerifierKey, url: str) -> None:
        self.name = key.name
        self._key = key
        self._url = url.rstrip("/") + "/add-checkpoint"
        # What it cosigned last; 0 lets its first answer say so.
        self._size = 0
        self._problem = ""
        self._log = get_logger("ledger.witness")
        self._asked = METRICS.counter(
            "ledger_witness_answers_total", "Answers of witnesses", ("witness", "status")
        )

    @property
    def size(self) -> int:
        """Return the size that it is known to have cosigned last."""
        return self._size

    @property
    def problem(self) -> str:
        """Return how the last head contradicts what the witness holds, empty if it does not."""
        return self._problem

    async def cosign(
        self, note: Note, size: int, prove: Callable[[int, int], Awaitable[Sequence[bytes]]]
    ) -> Cosignature | None:
        """Return the witness's cosignature, ``None`` if it gave none.

        Args:
            note: The signed checkpoint.
            size: Its size.
            prove: Returns the consistency proof from a size to another.
        """
        self._problem = ""
        # The first try may be told which size the witness is at; the second one knows.
        for _ in range(2):
            if self._size > size:
                self._problem = f"the {self._size} entries that {self.name} cosigned"
                return None
            proof = () if self._size == 0 else tuple(await prove(self._size, size))
            body = str(AddCheckpoint(self._size, proof, note)).encode()
            status, answer = await asyncio.to_thread(self._post, body)
            self._asked.labels(self.name, str(status)).inc()
            if status == http.HTTPStatus.OK:
                return self._taken(note, size, answer)
            if status == http.HTTPStatus.UNPROCESSABLE_ENTITY:
                self._problem = f"the first {self._size} entries as {self.name} cosigned them"
                return None
            if status != http.HTTPStatus.CONFLICT:
                self._log.warning("witness gave no cosignature", witness=self.name, status=status)
                return None
            try:
                at = parse_size(answer.decode(errors="replace").strip())
            except NoteError:
                return None
            if at == self._size:
                # The same size and still a conflict: it holds another root.
                self._problem = f"the root that {self.name} cosigned for {at} entries"
                return None
            self._size = at
        return None

    def _taken(self, note: Note, size: int, answer: bytes) -> Cosignature | None:
        try:
            lines = [Signature.parse(line) for line in answer.decode().splitlines()]
            found = cosignatures(Note(note.text, tuple(lines)), [self._key], verify)
        except (NoteError, UnicodeDecodeError) as error:
            self._log.warning("witness's answer is none", witness=self.name, error=str(error))
            return None
        self._size = size
        return found[0] if found else None

    def _post(self, body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(self._url, data=body, method="POST")  # noqa: S310
        request.add_header("Content-Type", "text/plain; charset=utf-8")
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S_MAX) as reply:  # noqa: S310
                return reply.status, reply.read(_ANSWER_BYTES_MAX)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(_ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            self._log.warning("witness does not answer", witness=self.name, error=str(error))
            return 0, b""


def parse_witnesses(text: str) -> list[HttpWitness]:
    """Return the witnesses of a setting: ``key url`` pairs separated by commas.

    Raises:
        NoteError: if a pair is none.
    """
    found = []
    for pair in filter(None, map(str.strip, text.split(","))):
        packed, _, url = pair.partition(" ")
        key = VerifierKey.parse(packed)
        if key.kind is KeyKind.ED25519 or not url.startswith(("http://", "https://")):
            raise NoteError(f"a witness must be 'cosigner-key http(s)://...', was {pair[:80]!r}")
        found.append(HttpWitness(key, url.strip()))
    return found
