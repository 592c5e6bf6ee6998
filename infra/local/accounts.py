"""Which system account a server runs under when we are root."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import SetupError
from services.core.errors import Message

USER_VARIABLE = "SUANLI_POSTGRES_USER"

_SEARCH, _OVERRIDE = "dac_read_search", "dac_override"
_CAPABILITY_BITS = {_SEARCH: 2, _OVERRIDE: 1}


@dataclass(frozen=True, slots=True)
class Account:
    """How to run a program that refuses to be root.

    Attributes:
        owner: User and group number of the account, None for one's own.
        prefix: Words before the program that switch to it; if empty, the starter switches.
    """

    owner: tuple[int, int] | None
    prefix: tuple[str, ...] = ()

    @property
    def as_user(self) -> tuple[int, int] | None:
        """Return the numbers that the starter has to switch to, None if it has not to."""
        return None if self.prefix else self.owner

    def give(self, path: Path) -> None:
        """Make this account the owner of a file or folder."""
        if self.owner is not None:
            os.chown(path, *self.owner)


def for_server(paths: tuple[Path, ...]) -> Account:
    """Return the account for PostgreSQL, which refuses to run as root.

    An ordinary user runs it as himself. Root lends it the account ``nobody`` (or the one named in
    ``SUANLI_POSTGRES_USER``). If that account cannot enter one of the folders, as under ``/root``,
    the server is given the one capability to pass through them: the folders' modes stay as they
    are.

    Args:
        paths: Folders that the server must be able to enter.

    Raises:
        SetupError: There is no such account, or no way to let it in.
    """
    if os.geteuid() != 0:
        return Account(owner=None)
    uid, gid = _unprivileged()
    closed = [folder for path in paths for folder in _closed_to(uid, path)]
    if not closed:
        return Account(owner=(uid, gid))
    setpriv, capability = shutil.which("setpriv"), _pass_capability()
    if setpriv is None or capability is None:
        raise _no_way_in(closed[0])
    return Account(
        owner=(uid, gid),
        prefix=(
            setpriv,
            f"--reuid={uid}",
            f"--regid={gid}",
            "--clear-groups",
            f"--inh-caps=+{capability}",
            f"--ambient-caps=+{capability}",
            "--",
        ),
    )


def _unprivileged() -> tuple[int, int]:
    name = os.environ.get(USER_VARIABLE, "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise SetupError(
            "local.no_account",
            Message(
                f"PostgreSQL does not run as root, and there is no account {name!r} to run it "
                f"under. Name one in {USER_VARIABLE}, or run this as an ordinary user.",
                f"PostgreSQL 不能以 root 运行，且系统中没有账户 {name!r}。"
                f"请在 {USER_VARIABLE} 中指定账户，或以普通用户运行。",
            ),
            field=USER_VARIABLE,
            value=name,
        ) from error
    return entry.pw_uid, entry.pw_gid


def _closed_to(uid: int, path: Path) -> list[Path]:
    folders = [folder for folder in (path, *path.parents) if folder.exists()]
    return [
        folder
        for folder in folders
        if not (folder.stat().st_mode & 0o001 or folder.stat().st_uid == uid)
    ]


def _pass_capability() -> str | None:
    if sys.platform != "linux":
        return None
    status = Path("/proc/self/status").read_text(encoding="ascii")
    held = int(status.partition("CapEff:")[2].split(maxsplit=1)[0], 16)
    # Reading alone is the lesser of the two; containers often keep only the other.
    for capability in (_SEARCH, _OVERRIDE):
        if held >> _CAPABILITY_BITS[capability] & 1:
            return capability
    return None


def _no_way_in(folder: Path) -> SetupError:
    return SetupError(
        "local.folder_closed",
        Message(
            f"PostgreSQL does not run as root, and the account lent to it cannot enter {folder}. "
            "Keep the project where every account can enter (not under /root), set "
            "SUANLI_STATE_DIR, or run this as an ordinary user.",
            f"PostgreSQL 不能以 root 运行，而借用的账户无法进入 {folder}。请将项目放在"
            "所有账户都能进入的目录（不要放在 /root 下），或设置 SUANLI_STATE_DIR，"
            "或以普通用户运行。",
        ),
        field="SUANLI_STATE_DIR",
        value=str(folder),
    )
