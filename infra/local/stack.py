"""The embedded stack: one Kafka broker and one PostgreSQL server in one state folder."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from infra.local import accounts, kafka, postgres
from infra.local.errors import SetupError
from infra.local.jars import ensure_jars
from infra.local.locks import exclusive
from infra.local.ports import LOOPBACK, PortBook
from infra.local.processes import ProcessStatus, Supervisor
from services.core.errors import Message

STATE_VARIABLE = "SUANLI_STATE_DIR"
CACHE_VARIABLE = "SUANLI_CACHE"

_LOCK_WAIT_S = 180.0
# A first start on a slow line fetches 44 MB while it holds the lock.

_KAFKA_CONTROLLER = "kafka-controller"
_KAFKA_DIRECT = "kafka-direct"
_OURS = ("kafka", "postgres", "run", "logs", "ports.json", "secrets.json", "lock")


def default_state_dir() -> Path:
    """Return ``SUANLI_STATE_DIR``, or ``var/local`` in the working folder."""
    return Path(os.environ.get(STATE_VARIABLE) or "var/local")


def default_cache_dir() -> Path:
    """Return ``SUANLI_CACHE``, or ``suanli`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "suanli"


class LocalStack:
    """One embedded Kafka and one embedded PostgreSQL, started and stopped together.

    Every method may be called at any time and from any process: what runs is found again from the
    state folder, and a lock there lets one command at a time change it.

    Args:
        state_dir: Folder that data, logs, ports and passwords are kept in; created when needed.
        cache_dir: Folder for fetched jars, shared by all stacks; by default the user's.
        durable: Whether PostgreSQL waits for the disk at each commit. Off is for tests: it is
            still safe against ``kill -9``, not against a loss of power.
    """

    def __init__(
        self, state_dir: Path, cache_dir: Path | None = None, *, durable: bool = True
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.cache_dir = (cache_dir or default_cache_dir()).expanduser().resolve()
        self.supervisor = Supervisor(self.state_dir)
        self.ports = PortBook(self.state_dir / "ports.json")
        self._durable = durable

    @property
    def kafka_bootstrap(self) -> str:
        """Return the broker's address, ``host:port``.

        Raises:
            SetupError: The stack was never started.
        """
        return f"{LOOPBACK}:{self._port(kafka.NAME)}"

    @property
    def kafka_direct_bootstrap(self) -> str:
        """Return the address at which participants log in to the broker, ``host:port``.

        Raises:
            SetupError: The stack was never started.
        """
        return f"{LOOPBACK}:{self._port(_KAFKA_DIRECT)}"

    @property
    def postgres_dsn(self) -> str:
        """Return the address of the database with its password, for the role that owns it.

        Raises:
            SetupError: The stack was never started.
        """
        password = self._secrets()[postgres.ROLE]
        port = self._port(postgres.NAME)
        return f"postgresql://{postgres.ROLE}:{password}@{LOOPBACK}:{port}/{postgres.DATABASE}"

    @property
    def postgres_superuser_dsn(self) -> str:
        """Return the same address for the superuser; no service may use it."""
        password = self._secrets()[postgres.SUPERUSER]
        port = self._port(postgres.NAME)
        return f"postgresql://{postgres.SUPERUSER}:{password}@{LOOPBACK}:{port}/{postgres.DATABASE}"

    def login_dsn(self, service: str) -> str | None:
        """Return the same address for a service's own login; ``None`` in folders without one."""
        login = postgres.LOGINS[service]
        password = self._secrets().get(login)
        if password is None:
            return None
        place = f"{LOOPBACK}:{self._port(postgres.NAME)}/{postgres.DATABASE}"
        return f"postgresql://{login}:{password}@{place}"

    def start(self, *, quiet: bool | None = None) -> None:
        """Start what does not run yet and wait until both are ready.

        Args:
            quiet: Whether to show no progress; by default when standard error is no terminal.

        Raises:
            RegistryUnreachableError: Kafka's jars could not be fetched.
            ProcessFailedError: A server did not start; the message holds the end of its log.
            StackBusyError: Another command has been working on this stack for too long.
            SetupError: The machine does not allow it; the message says what to do.
        """
        with self._lock():
            jars = ensure_jars(self.cache_dir, quiet=quiet)
            database, database_runs = self._place_postgres()
            node, node_runs = self._place_kafka(jars)
            # Side by side: each waits mostly for its own program.
            with ThreadPoolExecutor(2) as workers:
                pending = [
                    workers.submit(self._start_postgres, database, running=database_runs),
                    workers.submit(self._start_kafka, node, running=node_runs),
                ]
            for future in pending:
                future.result()

    def stop(self) -> bool:
        """Stop both; what they hold stays in the state folder.

        Returns:
            Whether anything was running.
        """
        if not self.state_dir.exists():
            return False
        with self._lock():
            return self._stop()

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return the state of both processes."""
        return tuple(self.supervisor.status(name) for name in (kafka.NAME, postgres.NAME))

    def wipe(self) -> None:
        """Stop both and delete all that they hold; fetched jars stay in the cache.

        Only what the stack itself made is deleted, and the state folder if it is then empty.
        """
        if not self.state_dir.exists():
            return
        with self._lock():
            self._stop()
            for name in _OURS:
                path = self.state_dir / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        if not any(self.state_dir.iterdir()):
            self.state_dir.rmdir()

    def _lock(self) -> AbstractContextManager[None]:
        return exclusive(self.state_dir / "lock", wait_s=_LOCK_WAIT_S)

    def _stop(self) -> bool:
        self._find_postgres()
        stopped = [self.supervisor.stop(name) for name in (kafka.NAME, postgres.NAME)]
        return any(stopped)

    def _place_kafka(self, jars: Path) -> tuple[kafka.KafkaNode, bool]:
        # One that was started before there was a listener for participants is started anew.
        known = kafka.NAME in self.ports and _KAFKA_DIRECT in self.ports
        running = self.supervisor.is_running(kafka.NAME) and known
        if not running:
            # What is left of one without a record, or on a port that nobody knows any more, goes
            # first, so that its port is free again.
            self.supervisor.stop(kafka.NAME)
        claim = self._port if running else self.ports.claim
        ports = (claim(kafka.NAME), claim(_KAFKA_CONTROLLER), claim(_KAFKA_DIRECT))
        return kafka.KafkaNode(self.state_dir / kafka.NAME, jars, *ports), running

    def _start_kafka(self, node: kafka.KafkaNode, *, running: bool) -> None:
        if not running:
            node.prepare()
        self.supervisor.start(node.spec(), node.is_ready)

    def _place_postgres(self) -> tuple[postgres.PostgresServer, bool]:
        running = self._find_postgres()
        port = self._port(postgres.NAME) if running else self.ports.claim(postgres.NAME)
        return self._postgres_server(port), running

    def _start_postgres(self, server: postgres.PostgresServer, *, running: bool) -> None:
        if not running:
            # Where a folder from before lacks a login, it has no data folder to make either.
            server.prepare(self._secrets(create=not server.data.exists()))
        self.supervisor.start(server.spec(), server.is_ready)

    def _postgres_server(self, port: int) -> postgres.PostgresServer:
        folder = self.state_dir / postgres.NAME
        account = accounts.for_server((folder, postgres.binary("postgres").parent))
        return postgres.PostgresServer(folder, port, account, self._durable)

    def _find_postgres(self) -> bool:
        """Return whether the server runs, with or without a record of ours."""
        # Its own file tells even where the environment of another account cannot be read.
        server = self._postgres_server(port=0)
        pid, port = server.running_pid(), server.running_port()
        if pid is None or port is None:
            return False
        if not self.supervisor.is_running(postgres.NAME):
            self.supervisor.adopt(postgres.NAME, pid, postgres.STOP_STEPS)
        self.ports.remember(postgres.NAME, port)
        return True

    def _port(self, name: str) -> int:
        port = self.ports.get(name)
        if port is None:
            raise _never_started(self.state_dir, f"ports.json[{name}]")
        return port

    def _secrets(self, *, create: bool = False) -> dict[str, str]:
        path = self.state_dir / "secrets.json"
        if create and not path.exists():
            names = (postgres.ROLE, postgres.SUPERUSER, *postgres.LOGINS.values())
            made = {name: secrets.token_hex(16) for name in names}
            partial = path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(made), encoding="ascii")
            partial.replace(path)
        try:
            loaded: dict[str, str] = json.loads(path.read_text(encoding="ascii"))
        except FileNotFoundError as error:
            raise _never_started(self.state_dir, path.name) from error
        return loaded


def _never_started(state_dir: Path, missing: str) -> SetupError:
    return SetupError(
        "local.never_started",
        Message(
            f"{missing} is not in {state_dir}: the embedded stack was never started there "
            "(python -m infra.local up), or its state was damaged (python -m infra.local wipe).",
            f"{state_dir} 中没有 {missing}：内置环境从未启动（python -m infra.local up），"
            "或其状态已损坏（python -m infra.local wipe）。",
        ),
        field=missing,
    )
