"""What a program needs to log in to the broker, as texts to copy."""

from __future__ import annotations

import csv
import io
import ipaddress
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.direct_logins import DirectLoginCreated

_LOCAL = "127.0.0.1:9092"


def snippets(made: DirectLoginCreated) -> dict[str, str]:
    """Return a login in each form, by the name of the file that it would be.

    Args:
        made: The login, whose password is told this once.
    """
    login = made.login
    brokers = login.brokers or _LOCAL
    facts = {
        "SUANLI_DIRECT_BOOTSTRAP": brokers,
        "SUANLI_DIRECT_USER": login.user,
        "SUANLI_DIRECT_PASSWORD": made.password,
        "SUANLI_DIRECT_TOPIC": login.write_topic,
        "SUANLI_DIRECT_STATUS_TOPIC": login.status_topic,
    }
    return {
        "direct.env": "".join(f"{name}={value}\n" for name, value in facts.items()),
        "client.properties": _properties(brokers, login.user, made.password),
        "direct.json": json.dumps(_plain(facts), indent=2) + "\n",
        "direct.csv": _csv(_plain(facts)),
    }


def security_of(brokers: str) -> str:
    """Return how to reach brokers: by TLS, except on the own machine."""
    hosts = (one.rpartition(":")[0] for one in brokers.split(","))
    return "SASL_PLAINTEXT" if all(map(_is_loopback, hosts)) else "SASL_SSL"


def _plain(facts: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("SUANLI_DIRECT_").lower(): value for name, value in facts.items()}


def _csv(facts: dict[str, str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((list(facts), list(facts.values())))
    return out.getvalue()


def _properties(brokers: str, user: str, password: str) -> str:
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    # Neither user nor password can hold a quote or a backslash.
    return (
        f"bootstrap.servers={brokers}\n"
        f"security.protocol={security_of(brokers)}\n"
        "sasl.mechanism=SCRAM-SHA-512\n"
        f'sasl.jaas.config={module} required username="{user}" password="{password}";\n'
        "enable.idempotence=true\n"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
