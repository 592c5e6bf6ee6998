"""The transparency log, checked from outside: keys, signed heads, cosignatures, proof files.

Standard library alone (`suanli.ed25519` is faster with `cryptography`). Source of the formats: C2SP
signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof; RFC 6962 and RFC 9162 for the tree.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from suanli.check_journal import Outcome, leaf_of
from suanli.ed25519 import verify

_LOG_KIND: Final = 1
_WITNESS_KIND: Final = 4
_HASH_BYTES: Final = 32
_KEY_PARTS: Final = 3
_NOTE_CHARS_MAX: Final = 128 * 1024
_PROOF_LINES_MAX: Final = 63
_SIZE_MAX: Final = 2**63 - 1
_TAG: Final = b"suanli.leaf.v2\n"
_PROOF: Final = "c2sp.org/tlog-proof@v1"


class LogError(ValueError):
    """What was to be checked is not in order; the text says why."""


@dataclass(frozen=True)
class Key:
    """A verifier key ``name+id+base64``.

    Attributes:
        name: Whose it is; of a log, its origin.
        kind: 1 of a log, 4 of a witness, both Ed25519.
        public: The raw public key.
        key_id: Four bytes that signatures name it by.
    """

    name: str
    kind: int
    public: bytes
    key_id: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key of its text.

        Raises:
            LogError: if it is none that is known here.
        """
        parts = text.strip().split("+", 2)
        raw = _unpack(parts[2]) if len(parts) == _KEY_PARTS else b""
        if len(raw) != _HASH_BYTES + 1 or raw[0] not in {_LOG_KIND, _WITNESS_KIND} or not parts[0]:
            raise LogError(f"a key must be name+id+base64 of an Ed25519 key, was {text[:80]!r}")
        digest = hashlib.sha256(parts[0].encode() + b"\n" + raw).digest()
        if digest[:4].hex() != parts[1]:
            raise LogError(f"the id of key {parts[0]} must be {digest[:4].hex()}, was {parts[1]}")
        return cls(parts[0], raw[0], raw[1:], digest[:4])


@dataclass(frozen=True)
class Head:
    """A signed tree head, its signature verified.

    Attributes:
        origin: The log.
        size: Entries.
        root: Root, 32 bytes.
        witnesses: (name, seconds since 1970) of the known witnesses that cosigned.
    """

    origin: str
    size: int
    root: bytes
    witnesses: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Proved:
    """What a proof file shows, once it was verified.

    Attributes:
        index: Place of the entry in the log.
        head: The head that it is under.
        entry: The journal entry, ``None`` if the file only has the log's commitment to it.
        logged: What the log holds.
    """

    index: int
    head: Head
    entry: Any
    logged: bytes


def read_head(note: str, key: Key, witnesses: Sequence[Key] = ()) -> Head:
    """Return the head of a note once the log's signature, and those of known witnesses, fit.

    Raises:
        LogError: if one does not, or the log's is missing, or it is no head.
    """
    text, found = _open_note(note)
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or lines[-1]:
        raise LogError(f"a head must have origin, size and root, was {text[:80]!r}")
    origin, root = lines[0], _unpack(lines[2])
    if origin != key.name or len(root) != _HASH_BYTES:
        raise LogError(f"a head must be of {key.name}, was of {origin[:80]}")
    signed = False
    cosigned: dict[str, int] = {}
    for name, raw in found:
        if (name, raw[:4]) == (key.name, key.key_id):
            if not verify(key.public, raw[4:], text.encode()):
                raise LogError(f"the signature of {name} must fit the head, did not")
            signed = True
        for witness in witnesses:
            if (name, raw[:4]) == (witness.name, witness.key_id):
                if not _cosigned(witness, raw, text):
                    raise LogError(f"the cosignature of {name} must fit the head, did not")
                cosigned.setdefault(name, int.from_bytes(raw[4:12], "big"))
    if not signed:
        raise LogError(f"a head must be signed by {key.name}, was not")
    return Head(origin, parse_size(lines[1]), root, tuple(cosigned.items()))


def cosigner(head: Head, line: str, witnesses: Sequence[Key]) -> str | None:
    """Return the name of the known witness whose cosignature of a head a line is.

    Args:
        head: The head, without extensions.
        line: The signature line, newline included.
        witnesses: The known witnesses.

    Raises:
        LogError: if it is no signature line, or does not fit the head.
    """
    text = f"{head.origin}\n{head.size}\n{base64.b64encode(head.root).decode()}\n"
    _, found = _open_note(f"{text}\n{line}")
    for name, raw in found:
        for witness in witnesses:
            if (name, raw[:4]) == (witness.name, witness.key_id):
                if not _cosigned(witness, raw, text):
                    raise LogError(f"the cosignature of {name} must fit the head, did not")
                return name
    return None


def check_heads(listed: Iterable[dict[str, Any]], key: Key) -> Outcome:
    """Check the signatures of heads as ``/v1/log/heads`` lists them.

    A log that got its key late begins with heads without a signature; after the first signed head
    none may be without.
    """
    outcome = Outcome("heads")
    signed = False
    for item in sorted(listed, key=lambda head: int(head["size"])):
        note, where = item.get("note"), f"head of size {item['size']}"
        if note is None:
            if signed:
                outcome.add(f"{where}: is not signed, a smaller one is")
            continue
        signed = True
        outcome.checked += 1
        try:
            head = read_head(str(note), key)
        except LogError as error:
            outcome.add(f"{where}: {error}")
            continue
        if (head.size, head.root.hex()) != (int(item["size"]), item["root"]):
            outcome.add(f"{where}: what is signed has size {head.size}, root {head.root.hex()}")
    if not signed:
        outcome.add("no head is signed")
    return outcome


def check_proof(content: bytes, key: Key, witnesses: Sequence[Key] = ()) -> Proved:
    """Verify a proof file.

    Raises:
        LogError: if it does not prove anything.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise LogError("a proof must be UTF-8, was not") from None
    front, gap, note = text.partition("\n\n")
    first, *lines = front.split("\n")
    if not gap or first != _PROOF or len(lines) > _PROOF_LINES_MAX + 2:
        raise LogError(f"a proof must begin with {_PROOF}, was {first[:40]!r}")
    if not lines or not lines[0].startswith("extra "):
        raise LogError("a proof must have the entry as extra data, had none")
    extra = _unpack(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise LogError("a proof must name its index, did not")
    index = parse_size(lines.pop(0).removeprefix("index "))
    head = read_head(note, key, witnesses)
    entry, logged, leaf = _leaf(extra)
    if not included(index, head.size, leaf, [parse_hash(line) for line in lines], head.root):
        raise LogError(f"entry {index} must be under the head of size {head.size}, was not")
    if entry is not None and entry.get("leaf_index") != index:
        raise LogError(f"the entry must say that it is entry {index}, said another")
    return Proved(index, head, entry, logged)


def included(index: int, size: int, leaf: bytes, path: Iterable[bytes], root: bytes) -> bool:
    """Return whether a leaf hash is entry ``index`` under a root (RFC 9162 2.1.3.2)."""
    first, last, node = index, size - 1, leaf
    if not 0 <= index < size:
        return False
    for other in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = hashlib.sha256(b"\x01" + other + node).digest()
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + other).digest()
        first, last = first >> 1, last >> 1
    return last == 0 and node == root


def extends(old: tuple[int, bytes], new: tuple[int, bytes], proof: Iterable[bytes]) -> bool:
    """Return whether a proof leads from a tree (size, root), not empty, to a later one.

    Source: RFC 9162, section 2.1.4.2.
    """
    path = list(proof)
    if not 0 < old[0] < new[0]:
        return not path and old == new
    if old[0] & (old[0] - 1) == 0:
        path.insert(0, old[1])
    if not path:
        return False
    first, last = old[0] - 1, new[0] - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            before = hashlib.sha256(b"\x01" + other + before).digest()
            after = hashlib.sha256(b"\x01" + other + after).digest()
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            after = hashlib.sha256(b"\x01" + after + other).digest()
        first, last = first >> 1, last >> 1
    return last == 0 and before == old[1] and after == new[1]


def _cosigned(witness: Key, raw: bytes, text: str) -> bool:
    time = int.from_bytes(raw[4:12], "big")
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    return verify(witness.public, raw[12:], message)


def _leaf(extra: bytes) -> tuple[Any, bytes, bytes]:
    """Return (entry, what the log holds, leaf hash) of a proof's extra data."""
    if extra.startswith(_TAG) and len(extra) == len(_TAG) + _HASH_BYTES:
        return None, extra, leaf_of(extra, salted=False)
    try:
        entry = json.loads(extra)
    except (ValueError, RecursionError):
        raise LogError("the extra data must be a journal entry, was no JSON") from None
    if not isinstance(entry, dict):
        raise LogError("the extra data must be a journal entry, was another value")
    salted = "salt" in entry
    logged = _TAG + hashlib.sha256(extra).digest() if salted else extra
    return entry, logged, leaf_of(extra, salted=salted)


def _open_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return a note's text and its signatures as (name, raw), nothing verified."""
    text, gap, lines = note.rpartition("\n\n")
    if len(note) > _NOTE_CHARS_MAX or not gap or not lines.endswith("\n"):
        raise LogError("a note must be text, a blank line and signatures, was not")
    found = []
    for line in lines[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, packed = rest.partition(" ")
        if dash != "\u2014" or not name:
            raise LogError(f"a signature must be a dash, name and Base64, was {line[:60]!r}")
        found.append((name, _unpack(packed)))
    return text + "\n", found


def _unpack(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    # One value has one text: Python would take stray bits at the end.
    if not text or base64.b64encode(raw).decode() != text:
        raise LogError(f"Base64 was expected, was {text[:60]!r}")
    return raw


def parse_hash(text: str) -> bytes:
    """Return a hash written in Base64.

    Raises:
        LogError: if it is none.
    """
    raw = _unpack(text)
    if len(raw) != _HASH_BYTES:
        raise LogError(f"a hash must have {_HASH_BYTES} bytes, was {len(raw)}")
    return raw


def parse_size(text: str) -> int:
    """Return a size written in decimal without leading zeros.

    Raises:
        LogError: if it is none, or past 2**63 - 1.
    """
    if not (text.isascii() and text.isdecimal()) or str(int(text[:20])) != text:
        raise LogError(f"a size must be a decimal, was {text[:30]!r}")
    if int(text) > _SIZE_MAX:
        raise LogError(f"a size must be at most {_SIZE_MAX}, was {text}")
    return int(text)
