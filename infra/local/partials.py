"""Data folders that are made under another name and renamed when they are whole.

A command that is killed half-way leaves nothing that looks complete. What it had started may live
on and still write, so each attempt has a name of its own.
"""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def fresh_partial(data: Path) -> Path:
    """Return an unused path beside a data folder; what earlier attempts left there is removed."""
    clear_partials(data)
    return data.with_name(f"{data.name}.{secrets.token_hex(4)}.partial")


def clear_partials(data: Path) -> None:
    """Remove what attempts at a data folder left beside it, files of their settings included."""
    for left in data.parent.glob(f"{data.name}.*"):
        if left.is_dir():
            # Its writer may be alive: what it adds now goes with the next call.
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
