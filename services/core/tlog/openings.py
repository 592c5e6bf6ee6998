"""Leaves of version 2: the log holds a commitment, whoever may read the entry gets its opening.

An *opening* is the canonical JSON of a journal entry with its salt in it. The log's entry is
its commitment, so that the opening can be erased and every proof still holds, and nobody can
guess what was erased: the salt has 256 random bits. Leaves of version 1 are the JSON itself.
"""

from __future__ import annotations

import hashlib
import json

TAG = b"suanli.leaf.v2\n"
SALT_BYTES = 32
LOG_ENTRY_BYTES = len(TAG) + hashlib.sha256().digest_size


def log_entry(opening: bytes) -> bytes:
    """Return the log's entry that commits to an opening: the tag, then its SHA-256."""
    return TAG + hashlib.sha256(opening).digest()


def is_commitment(entry: bytes) -> bool:
    """Return whether an entry of the log is of version 2; one of version 1 begins with ``{``."""
    return len(entry) == LOG_ENTRY_BYTES and entry.startswith(TAG)


def logged(content: bytes) -> bytes:
    """Return what the log holds of an entry, by its canonical bytes: a salted one is committed to.

    What stands in the place of an erased entry says what was committed to.

    Raises:
        ValueError: if it is not JSON, or its commitment is none.
    """
    told = json.loads(content)
    if "commitment" in told:
        return TAG + bytes.fromhex(told["commitment"])
    return log_entry(content) if "salt" in told else content


def is_erased(content: bytes) -> bool:
    """Return whether these bytes stand in the place of an erased entry.

    Raises:
        ValueError: if they are not JSON.
    """
    return b'"commitment"' in content and "commitment" in json.loads(content)
