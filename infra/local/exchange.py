"""The whole exchange on one machine: the embedded stack and, on top, every service.

``python -m infra.local.exchange up|down|status|logs|wipe``. A small keeper process starts a
service again when it has ended, which is the recovery that the services are built for.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.ports import LOOPBACK, choose
from infra.local.postgres import LOGINS
from infra.local.processes import ProcessSpec
from infra.local.stack import LocalStack
from infra.local.topics import ensure_topics
from services.kit.clock import ScaledClock
from services.kit.signing import NoteSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.processes import ProcessStatus

SERVICES = ("ledger", "matching", "auditor", "gateway")
KEEPER = "keeper"
ROBOTS = "robots"
MARKET_ID = "jjj-spot"
# `SUANLI_LEDGER_ORIGIN` as it is by default.
LOG_ORIGIN = "suanli-exchange/ledger"
LOGIN_DESK = "login-desk"
"""The gateway's user at the broker that may change who logs in there."""
ROOT = Path(__file__).resolve().parents[2]

_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SUANLI_CRASH_AT",
    "SUANLI_LEDGER_WITNESSES",
    "SUANLI_GATEWAY_WITNESS_KEYS",
    "SUANLI_GATEWAY_WITNESSES_NEEDED",
    "SUANLI_AUDITOR_WITNESS_KEYS",
    # How much callers may ask for, which load tests raise.
    "SUANLI_GATEWAY_READS_PER_S",
    "SUANLI_GATEWAY_WRITES_PER_S",
    "SUANLI_GATEWAY_ANONYMOUS_PER_S",
    "SUANLI_GATEWAY_LISTENERS_MAX",
)
# Who vouches for people, and which hosts may be told: secrets are among them.
_KEPT_OF_GATEWAYS = (
    "SUANLI_GATEWAY_OIDC_ISSUERS",
    "SUANLI_GATEWAY_OIDC_AUDIENCE",
    "SUANLI_GATEWAY_OIDC_CLIENT_ID",
    "SUANLI_GATEWAY_OIDC_CLIENT_SECRET",
    "SUANLI_GATEWAY_WEBHOOK_HOSTS",
    "SUANLI_GATEWAY_WEBHOOK_KEYS",
    "SUANLI_GATEWAY_WEBHOOK_NETWORKS",
    "SUANLI_GATEWAY_WEBHOOK_HTTP",
)
_READY_S_MAX = 60.0
_KEEPER_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """What the exchange of one state folder is run with; kept there as JSON.

    Attributes:
        api_port: Port of the gateway.
        operator_key: The operator's first API key.
        market_epoch: Market instant at ``real_epoch``, ISO 8601.
        real_epoch: Real instant, ISO 8601.
        clock_speed: Market seconds per real second.
        market_id: The market that the matching service clears.
        solve_s: Real seconds that a solve may take; 0 leaves it to the round's effort.
        log_key: Secret key of the transparency log; empty in folders from before there was one.
        receipt_key: Seed of the key that receipts and reports are signed with, Base64; the same.
        access_password: Password of the gateway's user at the broker that changes logins; the same.
        is_sandbox: Whether it is a sandbox: play money for the asking, robots that trade.
        gateways: Gateways that share ``api_port``.
    """

    api_port: int
    operator_key: str
    market_epoch: str
    real_epoch: str
    clock_speed: float
    market_id: str = MARKET_ID
    solve_s: float = 0.0
    log_key: str = ""
    receipt_key: str = ""
    access_password: str = ""
    is_sandbox: bool = False
    gateways: int = 1


class Exchange:
    """Kafka, Postgres and the services of one state folder.

    Args:
        state_dir: Folder that everything is kept in.
        durable: Whether Postgres waits for the disk at each commit.
    """

    def __init__(self, state_dir: Path, *, durable: bool = True) -> None:
        self.stack = LocalStack(state_dir, durable=durable)
        self.state_dir = self.stack.state_dir
        self._config_path = self.state_dir / "exchange.json"

    @property
    def config(self) -> ExchangeConfig:
        """Return what this exchange was configured with.

        Raises:
            FileNotFoundError: if it was never configured.
        """
        return ExchangeConfig(**json.loads(self._config_path.read_text(encoding="utf-8")))

    @property
    def api_url(self) -> str:
        """Return the gateway's address."""
        return f"http://{LOOPBACK}:{self.config.api_port}"

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names of all services' processes: of each kind one, of gateways several."""
        gateways = self.config.gateways if self.is_configured() else 1
        return (*SERVICES, *(f"gateway-{number}" for number in range(1, gateways)))

    @property
    def clock(self) -> ScaledClock:
        """Return the market clock that all services of this exchange share."""
        config = self.config
        return ScaledClock(
            real_epoch=datetime.fromisoformat(config.real_epoch),
            market_epoch=datetime.fromisoformat(config.market_epoch),
            speed=config.clock_speed,
        )

    @property
    def log_verifier(self) -> str:
        """Return the key that heads of the log are verified with, empty if they are not signed."""
        secret = self.config.log_key
        return str(NoteSigner.parse(secret).verifier) if secret else ""

    def is_configured(self) -> bool:
        """Return whether this state folder has been configured before."""
        return self._config_path.exists()

    def configure(
        self,
        *,
        market_epoch: datetime | None = None,
        clock_speed: float = 1.0,
        market_id: str = MARKET_ID,
        solve_s: float = 0.0,
        is_sandbox: bool = False,
    ) -> ExchangeConfig:
        """Choose ports, keys and the clock of a new exchange, and keep them.

        Args:
            market_epoch: Market time now; ``None`` means the real time.
            clock_speed: Market seconds per real second.
            market_id: The market to clear.
            solve_s: Real seconds that a solve may take; 0 leaves it to the round's effort.
            is_sandbox: Whether it is a sandbox.
        """
        now = datetime.now(UTC)
        config = ExchangeConfig(
            api_port=choose(),
            operator_key=f"sk_{secrets.token_hex(32)}",
            market_epoch=(market_epoch or now).isoformat(),
            real_epoch=now.isoformat(),
            clock_speed=clock_speed,
            market_id=market_id,
            solve_s=solve_s,
            log_key=NoteSigner.generate(LOG_ORIGIN).secret_text(),
            receipt_key=base64.b64encode(secrets.token_bytes(32)).decode(),
            access_password=secrets.token_urlsafe(32),
            is_sandbox=is_sandbox,
        )
        self._keep_config(config)
        return config

    def resize(self, gateways: int) -> None:
        """Have so many gateways from the next start of services on.

        If they were of another number, all are stopped: each watches the health of all.

        Args:
            gateways: Gateways that share the port of the API, each a process; at least 1.
        """
        config = self.config
        if config.gateways == gateways:
            return
        # The keeper first, or it would start again what is stopped; it starts with the services.
        for name in (KEEPER, *filter(_is_gateway, self.services)):
            self.stack.supervisor.stop(name)
        self._keep_config(replace(config, gateways=gateways))

    def _keep_config(self, config: ExchangeConfig) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        partial = self._config_path.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
        partial.replace(self._config_path)

    def start_stack(self, *, quiet: bool | None = None) -> None:
        """Start Kafka and Postgres, create the topics, make the schemas ready.

        Raises:
            LocalStackError: as `LocalStack.start` says.
        """
        self.stack.start(quiet=quiet)
        asyncio.run(ensure_topics(self.stack.kafka_bootstrap, ""))
        asyncio.run(self._prepare_schemas())

    async def _make_login_desk(self) -> None:
        """Let the gateway change who logs in to the broker, by a user that may do only that."""
        if not self.config.access_password:
            return
        from services.kit.log_access import LogAccess  # noqa: PLC0415 - not for a look
        from services.kit.settings import KitSettings  # noqa: PLC0415

        settings = KitSettings(_env_file=None, kafka_bootstrap=self.stack.kafka_bootstrap)
        await LogAccess(settings).make_administrator(LOGIN_DESK, self.config.access_password)

    async def _prepare_schemas(self) -> None:
        """Make the schemas ready for the services that have a login of their own."""
        from services.logins import homes_of, prepare  # noqa: PLC0415 - not for a look

        # The ledger comes first: the auditor gets a role of its schema.
        for service in SERVICES:
            if self.stack.login_dsn(service) is not None:
                for home in homes_of(service, str, "matching"):
                    await prepare(self.stack.postgres_dsn, home, LOGINS[service])

    def start_services(self) -> None:
        """Start every service that does not run, side by side, then the keeper.

        Raises:
            ProcessFailedError: with the end of the log of a service that did not get ready.
        """
        # Not with the stack: that may be started before it is known what the exchange will be.
        asyncio.run(self._make_login_desk())
        names = self.services
        with ThreadPoolExecutor(len(names)) as workers:
            for future in [workers.submit(self.start_service, name) for name in names]:
                future.result()
        spec = ProcessSpec(
            name=KEEPER,
            argv=(sys.executable, "-m", "infra.local.exchange", "keep", str(self.state_dir)),
            env=self._environment(KEEPER),
            cwd=ROOT,
        )
        self.stack.supervisor.start(spec, lambda: True)

    def start_robots(self) -> None:
        """Start the robots of a sandbox, unless they run; they wait for a gateway that is away."""
        spec = ProcessSpec(
            name=ROBOTS,
            argv=(sys.executable, "-m", "infra.local.robots", str(self.state_dir)),
            env=self._environment(ROBOTS),
            cwd=ROOT,
        )
        self.stack.supervisor.start(spec, lambda: True)

    def start_service(self, name: str) -> bool:
        """Start one service unless it runs; return whether it was started."""
        self._state_file(name).parent.mkdir(parents=True, exist_ok=True)
        if not self.stack.supervisor.is_running(name):
            self._state_file(name).unlink(missing_ok=True)
        spec = ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", f"services.{_kind(name)}.main"),
            env=self._environment(name),
            cwd=ROOT,
            ready_s_max=_READY_S_MAX,
        )
        return self.stack.supervisor.start(spec, self._is_alive(name))

    def up(self, *, quiet: bool | None = None) -> None:
        """Start everything that does not run; configure what was never configured."""
        if not self.is_configured():
            self.configure()
        self.start_stack(quiet=quiet)
        self.start_services()

    def down(self) -> bool:
        """Stop services, keeper, Kafka and Postgres; return whether anything ran."""
        supervisor = self.stack.supervisor
        # The keeper first, or it would start again what is stopped after it.
        keeper = supervisor.stop(ROBOTS) | supervisor.stop(KEEPER)
        names = self.services
        with ThreadPoolExecutor(len(names)) as workers:
            stopped = list(workers.map(supervisor.stop, reversed(names)))
        return any([keeper, *stopped, self.stack.stop()])

    def wipe(self) -> None:
        """Stop everything and delete all that this exchange holds."""
        self.down()
        self._config_path.unlink(missing_ok=True)
        for path in (self.state_dir / "services", self.state_dir / "clients"):
            if path.is_dir():
                for file in path.iterdir():
                    file.unlink()
                path.rmdir()
        self.stack.wipe()

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return the state of every process, Kafka and Postgres first."""
        robots = [ROBOTS] if self.is_configured() and self.config.is_sandbox else []
        names = (*self.services, KEEPER, *robots)
        return (*self.stack.status(), *(self.stack.supervisor.status(name) for name in names))

    def health(self, name: str) -> dict[str, object]:
        """Return a service's own account of its health, empty if it does not answer."""
        url = self._health_url(name)
        if url is None:
            return {}
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as reply:  # noqa: S310
                found = json.loads(reply.read())
        except urllib.error.HTTPError as error:
            found = json.loads(error.read() or b"{}")
        except (OSError, ValueError):
            return {}
        return dict(found)

    def kill(self, name: str) -> int | None:
        """Send SIGKILL to a service, as a crash would end it; return its process number."""
        pid = self.stack.supervisor.status(name).pid
        if pid is not None:
            os.kill(pid, 9)
        return pid

    def keep(self) -> None:
        """Start services again when they have ended, until this process is stopped."""
        names = self.services
        with ThreadPoolExecutor(len(names)) as workers:
            while True:
                ended = [name for name in names if not self.stack.supervisor.is_running(name)]
                for name in ended:
                    sys.stdout.write(f"{datetime.now(UTC).isoformat()} {name} ended: start\n")
                    sys.stdout.flush()
                list(workers.map(self._start_again, ended))
                time.sleep(_KEEPER_POLL_S)

    def _start_again(self, name: str) -> None:
        from infra.local.errors import LocalStackError  # noqa: PLC0415 - only the keeper's

        try:
            self.start_service(name)
        except LocalStackError as error:
            # It is tried again; what went wrong stands in the keeper's log until it works.
            sys.stdout.write(f"{error}\n")
            sys.stdout.flush()
            time.sleep(_KEEPER_POLL_S * 4)

    def _environment(self, name: str) -> dict[str, str]:
        config = self.config
        kind = _kind(name)
        own = self.stack.login_dsn(kind) if kind in LOGINS else None
        found = {
            "PYTHONUNBUFFERED": "1",
            # Solver and NumPy threads would fight the services for the few cores.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "SUANLI_KAFKA_BOOTSTRAP": self.stack.kafka_bootstrap,
            "SUANLI_POSTGRES_DSN": own or self.stack.postgres_dsn,
            # With a login that owns nothing, the schema was made ready before.
            "SUANLI_LEDGER_MIGRATES": str(own is None).lower(),
            "SUANLI_LOG_FORMAT": "json",
            "SUANLI_STATE_FILE": str(self._state_file(name)),
            "SUANLI_CLOCK_MARKET_EPOCH": config.market_epoch,
            "SUANLI_CLOCK_REAL_EPOCH": config.real_epoch,
            "SUANLI_CLOCK_SPEED": str(config.clock_speed),
            "SUANLI_MATCHING_MARKET": config.market_id,
            "SUANLI_MATCHING_SOLVE_S": str(config.solve_s),
            "SUANLI_GATEWAY_OPERATOR_KEY": config.operator_key,
            "SUANLI_GATEWAY_SANDBOX": str(config.is_sandbox).lower(),
            "SUANLI_GATEWAY_PORT": str(config.api_port),
            # Another may be started beside it at any time.
            "SUANLI_GATEWAY_SHARES_PORT": "true",
            "SUANLI_GATEWAY_LOG_KEY": self.log_verifier,
            "SUANLI_GATEWAY_DIRECT_BROKERS": self.stack.kafka_direct_bootstrap,
            "SUANLI_GATEWAY_WATCHED": ",".join(
                f"{one}={self._state_file(one)}" for one in self.services
            ),
            "SUANLI_AUDITOR_LOG_KEY": self.log_verifier,
        }
        return kept(kind, os.environ) | found | self._secrets(name)

    def _secrets(self, name: str) -> dict[str, str]:
        """Return what is one service's alone; folders from before a secret have none."""
        config, desk = self.config, {}
        if config.access_password:
            desk = {
                "SUANLI_GATEWAY_ACCESS_USER": LOGIN_DESK,
                "SUANLI_GATEWAY_ACCESS_PASSWORD": config.access_password,
                "SUANLI_GATEWAY_ACCESS_BOOTSTRAP": self.stack.kafka_direct_bootstrap,
                "SUANLI_GATEWAY_ACCESS_SECURITY": "sasl_plaintext",
            }
        found = {
            "ledger": {"SUANLI_LEDGER_LOG_KEY": config.log_key},
            "gateway": {
                "SUANLI_GATEWAY_RECEIPT_KEY": config.receipt_key,
                # The first one's name is the default.
                "SUANLI_GATEWAY_INSTANCE": "" if name == "gateway" else name,
                **desk,
            },
        }
        return {variable: text for variable, text in found.get(_kind(name), {}).items() if text}

    def _state_file(self, name: str) -> Path:
        return self.state_dir / "services" / f"{name}.json"

    def _facts(self, name: str) -> dict[str, object]:
        """Return what a service told when it was up: its ports; empty before that."""
        try:
            found = json.loads(self._state_file(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return dict(found)

    def _health_url(self, name: str) -> str | None:
        port = self._facts(name).get("health_port")
        return None if port is None else f"http://{LOOPBACK}:{port}"

    def _is_alive(self, name: str) -> Callable[[], bool]:
        def alive() -> bool:
            url = self._health_url(name)
            # At the port of the API any other gateway may answer, so each tells when it listens.
            if url is None or (_is_gateway(name) and "http_port" not in self._facts(name)):
                return False
            try:
                with urllib.request.urlopen(f"{url}/livez", timeout=1):  # noqa: S310
                    return True
            except OSError:
                return False

        return alive


def _is_gateway(name: str) -> bool:
    return _kind(name) == "gateway"


def kept(kind: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a service of this kind takes over from the environment of ``make up``."""
    # The keeper starts gateways again, with what it has itself.
    names = (*_KEPT, *(_KEPT_OF_GATEWAYS if kind in {"gateway", KEEPER} else ()))
    return {name: environ[name] for name in names if name in environ}


def _kind(name: str) -> str:
    return name.partition("-")[0]


def main() -> None:
    """Run the command line of the embedded exchange, or its keeper."""
    from infra.local.exchange_cli import run  # noqa: PLC0415 - rich only when a person looks
    from services.kit.logging import only_warnings  # noqa: PLC0415 - the same

    if sys.argv[1:2] == ["keep"]:
        Exchange(Path(sys.argv[2])).keep()
    only_warnings()
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
