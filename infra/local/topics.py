"""The topics of the exchange: read from ``infra/kafka/topics.yaml``, created where missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from infra.local.errors import LocalStackError
from services.core.errors import Message

TOPICS_PATH = Path(__file__).parents[1] / "kafka" / "topics.yaml"

_REQUEST_MS_MAX = 20_000
_VISIBLE_S_MAX = 10.0
_POLL_S = 0.05
# Kafka's ConfigSource: set on the topic itself, neither on the broker nor by default.
_SET_ON_TOPIC = 1


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as declared.

    Attributes:
        name: Name without prefix.
        partitions: Number of partitions.
        replication_factor: Copies; -1 leaves it to the broker.
        config: Kafka's topic settings.
    """

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


def declared(path: Path = TOPICS_PATH) -> tuple[TopicSpec, ...]:
    """Return the declared topics.

    Args:
        path: The YAML file.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert document["version"] == 1, f"{path}: version must be 1, was {document['version']}"
    defaults = document["defaults"]
    return tuple(
        TopicSpec(
            name=name,
            partitions=row["partitions"],
            replication_factor=row.get("replication_factor", defaults["replication_factor"]),
            config={**defaults["config"], **row.get("config", {})},
        )
        for name, row in document["topics"].items()
    )


async def ensure_topics(
    bootstrap: str, prefix: str = "", *, client_options: Mapping[str, Any] | None = None
) -> list[str]:
    """Create the declared topics that are missing and wait until clients can see them.

    One that is there gets the declared settings where it has others, and keeps any further ones.

    Args:
        bootstrap: Addresses of the brokers, ``host:port`` with commas between.
        prefix: Goes before every name.
        client_options: Further options of aiokafka's client, such as ``security_protocol``.

    Returns:
        Full names of the topics created now, none if all were there.

    Raises:
        LocalStackError: A broker could not be reached, refused a topic, or a topic that exists
            has another number of partitions than declared.
    """
    client = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS_MAX, **(client_options or {})
    )
    specs = {f"{prefix}{spec.name}": spec for spec in declared()}
    try:
        await client.start()
        present = await _partitions(client)
        await _configure(client, {name: specs[name] for name in specs if name in present})
        missing = [name for name in specs if name not in present]
        if missing:
            await _create(client, {name: specs[name] for name in missing})
            present = await _await_visible(client, set(specs))
    except KafkaConnectionError as error:
        raise _unreachable(bootstrap) from error
    finally:
        await client.close()
    _check_partitions(specs, present)
    return missing


async def delete_topics(bootstrap: str, prefix: str) -> list[str]:
    """Delete every topic whose name starts with a prefix; for tests on a shared broker.

    Args:
        bootstrap: Addresses of the brokers.
        prefix: Must not be empty.

    Returns:
        Full names of the deleted topics.
    """
    assert prefix, "deleting every topic of a broker is never meant"
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS_MAX)
    try:
        await client.start()
        names = [name for name in await client.list_topics() if name.startswith(prefix)]
        if names:
            await client.delete_topics(names)
    finally:
        await client.close()
    return names


async def _partitions(client: AIOKafkaAdminClient) -> dict[str, int]:
    rows = await client.describe_topics()
    # A topic being created is listed with an error and no partitions yet.
    return {row["topic"]: len(row["partitions"]) for row in rows if row["error_code"] == 0}


async def _create(client: AIOKafkaAdminClient, specs: Mapping[str, TopicSpec]) -> None:
    # aiokafka takes -1 copies only beside an assignment of replicas; an empty one is none at all.
    wanted = [
        NewTopic(name, spec.partitions, spec.replication_factor, {}, dict(spec.config))
        for name, spec in specs.items()
    ]
    response = await client.create_topics(wanted)
    for name, code, *_detail in response.topic_errors:
        error = for_code(code)
        # Another process may have created it since we looked; that is what was wanted.
        if code != 0 and error is not TopicAlreadyExistsError:
            raise LocalStackError(
                "local.topic_refused",
                Message(
                    f"The broker refused to create topic {name}: {error.__name__}, {_detail}.",
                    f"Kafka 拒绝创建主题 {name}：{error.__name__}，{_detail}。",
                ),
                field=name,
            )


async def _configure(client: AIOKafkaAdminClient, specs: Mapping[str, TopicSpec]) -> None:
    """Bring the settings of topics that are there to what is declared."""
    if not specs:
        return
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in specs]
    wanted = []
    for response in await client.describe_configs(asked):
        for _code, _message, _kind, name, entries in response.resources:
            values = {entry[0]: entry[1] for entry in entries}
            own = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC}
            declared_here = dict(specs[name].config)
            if any(values.get(key) != value for key, value in declared_here.items()):
                # The request replaces all that is set on a topic.
                config = own | declared_here
                wanted.append(ConfigResource(ConfigResourceType.TOPIC, name, config))
    if not wanted:
        return
    for response in await client.alter_configs(wanted):
        for code, message, _kind, name in response.resources:
            if code != 0:
                raise LocalStackError(
                    "local.topic_refused",
                    Message(
                        f"The broker refused the settings of topic {name}: {message}.",
                        f"Kafka 拒绝主题 {name} 的配置：{message}。",
                    ),
                    field=name,
                )


async def _await_visible(client: AIOKafkaAdminClient, names: set[str]) -> dict[str, int]:
    present: dict[str, int] = {}
    for _ in range(int(_VISIBLE_S_MAX / _POLL_S)):
        present = await _partitions(client)
        if names <= present.keys():
            break
        await asyncio.sleep(_POLL_S)
    return present


def _check_partitions(specs: Mapping[str, TopicSpec], present: Mapping[str, int]) -> None:
    for name, spec in specs.items():
        actual = present.get(name, 0)
        if actual != spec.partitions:
            raise LocalStackError(
                "local.topic_partitions",
                Message(
                    f"Topic {name} should have {spec.partitions} partitions, was {actual}. A "
                    "market's records must stay in one partition: move them before changing it.",
                    f"主题 {name} 应有 {spec.partitions} 个分区，实为 {actual}。"
                    "同一市场的记录必须留在同一分区，修改前请先迁移。",
                ),
                field=name,
                value=str(actual),
                allowed=str(spec.partitions),
            )


def _unreachable(bootstrap: str) -> LocalStackError:
    return LocalStackError(
        "local.kafka_unreachable",
        Message(
            f"No Kafka broker answers at {bootstrap}. Check the address and that it runs "
            "(`python -m infra.local status`).",
            f"{bootstrap} 处没有 Kafka 响应。请检查地址以及服务是否已启动"
            "（`python -m infra.local status`）。",
        ),
        field="bootstrap",
        value=bootstrap,
    )
