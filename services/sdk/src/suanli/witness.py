"""A witness of transparency logs: cosigns each head that extends all that it saw before.

Source: C2SP tlog-witness and tlog-cosignature. What it saw last of a log is on the disk before its
cosignature leaves, so a crash or a power cut never lets it contradict itself.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self

from suanli.check_log import Head, Key, LogError, extends, parse_hash, parse_size, read_head

BODY_BYTES_MAX: Final = 128 * 1024
SIZE_TYPE: Final = "text/x.tlog.size"

_TEXT_TYPE: Final = "text/plain; charset=utf-8"
_KIND: Final = b"\x04"
_SEED_BYTES: Final = 32
_PROOF_LINES_MAX: Final = 63
_KEY_PREFIX: Final = "PRIVATE+KEY+"
_KEY_PARTS: Final = 5


class CosignerError(ValueError):
    """The witness's own key cannot be used; the text says why."""


@dataclass(frozen=True)
class Answer:
    """What a request is answered with."""

    status: HTTPStatus
    body: bytes
    media_type: str = _TEXT_TYPE


class Cosigner:
    """A witness's key.

    Args:
        name: Name of the key, for example ``regulator.example/witness``.
        seed: The 32 secret bytes.

    Raises:
        CosignerError: if the name is none, or `cryptography` is not installed.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        try:
            # Signing wants constant time, which integers of Python have not.
            from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
                Ed25519PrivateKey,
            )
        except ImportError as error:
            raise CosignerError("a witness needs cryptography: pip install suanli[fast]") from error
        if not name or "+" in name or any(char.isspace() for char in name) or len(name) > 200:
            raise CosignerError(f"a key name must have no space and no plus, was {name[:80]!r}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        raw = _KIND + self._key.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        self.verifier = f"{name}+{self._id.hex()}+{base64.b64encode(raw).decode()}"
        self.name = name

    @classmethod
    def open(cls, path: Path, name: str) -> Self:
        """Return the key of a file; make it, readable by its owner alone, if there is none.

        Raises:
            CosignerError: if the file has a key of another name, or none.
        """
        if not path.exists():
            made = cls(name, secrets.token_bytes(_SEED_BYTES))
            packed = base64.b64encode(_KIND + made._seed).decode()
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{_KEY_PREFIX}{name}+{made._id.hex()}+{packed}\n")
                file.flush()
                os.fsync(file.fileno())
            return made
        parts = path.read_text(encoding="utf-8").strip().split("+", 4)
        raw = base64.b64decode(parts[4]) if len(parts) == _KEY_PARTS else b""
        if raw[:1] != _KIND or len(raw) != _SEED_BYTES + 1 or parts[2] != name:
            raise CosignerError(f"{path} must have the key of {name}, had another or none")
        return cls(name, raw[1:])

    def line(self, text: str, at: int) -> str:
        """Return the cosignature line of a head.

        Args:
            text: The head without signatures.
            at: Seconds since 1970.
        """
        signed = self._key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        raw = self._id + at.to_bytes(8, "big") + signed
        return f"\u2014 {self.name} {base64.b64encode(raw).decode()}\n"


class Witness:
    """Answers requests; safe to be called from several threads.

    Args:
        folder: Where the last head of each log is kept.
        cosigner: The witness's key.
        logs: Keys of the logs that it watches.
        clock: Returns the seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        cosigner: Cosigner,
        logs: Iterable[Key],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._cosigner = cosigner
        self._logs = {key.name: key for key in logs}
        self._clock = clock
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Return the answer to ``POST /add-checkpoint``."""
        try:
            front, gap, note = body.decode().partition("\n\n")
            first, *lines = front.split("\n")
            if not gap or not first.startswith("old ") or len(lines) > _PROOF_LINES_MAX:
                raise LogError("a request must be 'old ' and a size, a proof, a head; was not")
            old, proof = parse_size(first.removeprefix("old ")), [parse_hash(x) for x in lines]
        except (UnicodeDecodeError, LogError) as error:
            return _refused(HTTPStatus.BAD_REQUEST, str(error))
        key = self._logs.get(note.partition("\n")[0])
        if key is None:
            return _refused(HTTPStatus.NOT_FOUND, "this log is not watched here")
        try:
            head = read_head(note, key)
        except LogError as error:
            return _refused(HTTPStatus.FORBIDDEN, str(error))
        if old > head.size:
            return _refused(HTTPStatus.BAD_REQUEST, f"old must be at most {head.size}, was {old}")
        with self._lock:
            return self._extend(key, head, (old, proof), note)

    def last(self, key: Key) -> Head | None:
        """Return the last head that was cosigned of a log.

        Raises:
            LogError: if what is kept was changed.
        """
        file = self._file(key)
        return read_head(file.read_text(encoding="utf-8"), key) if file.exists() else None

    def _extend(self, key: Key, head: Head, step: tuple[int, list[bytes]], note: str) -> Answer:
        last = self.last(key)
        size = 0 if last is None else last.size
        old, proof = step
        if old != size:
            return _at(size)
        if last is not None and not extends((size, last.root), (head.size, head.root), proof):
            # The same size with another root is a conflict that no proof settles.
            return _at(size) if size == head.size and not proof else _not_proved(size, head.size)
        if last is None and proof:
            return _not_proved(0, head.size)
        text = note.rpartition("\n\n")[0] + "\n"
        _keep(self._file(key), note)
        line = self._cosigner.line(text, int(self._clock()))
        return Answer(HTTPStatus.OK, line.encode())

    def _file(self, key: Key) -> Path:
        # An origin may hold any sign; its hash may be a file's name everywhere.
        return self._folder / f"{hashlib.sha256(key.name.encode()).hexdigest()[:32]}.checkpoint"


def _keep(path: Path, note: str) -> None:
    """Write a head so that after a power cut there is the old one or the new one."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _at(size: int) -> Answer:
    return Answer(HTTPStatus.CONFLICT, f"{size}\n".encode(), SIZE_TYPE)


def _not_proved(old: int, size: int) -> Answer:
    return _refused(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"the proof must lead from {old} to {size}, did not"
    )


def _refused(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())
