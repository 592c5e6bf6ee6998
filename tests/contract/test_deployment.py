"""The deployment files: valid by the specifications of others, and true to our own settings."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra.local import kafka
from infra.local.topics import declared
from schemas.registry import PER_PARTICIPANT, TOPICS
from services.gateway.settings import GatewaySettings
from services.kit.settings import ENV_PREFIX, KitSettings

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_name("compose-spec.json")
SERVICES = ("gateway", "matching", "ledger", "auditor")
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$|DSN")
REQUIRED_VARIABLE = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def test_the_compose_file_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(compose)


def test_the_issuer_of_a_trial_issues_what_the_gateway_takes() -> None:
    folder = ROOT / "infra/docker"
    beside = yaml.safe_load((folder / "keycloak.yml").read_text("utf-8"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(beside)
    realm = json.loads((folder / "keycloak-realm.json").read_text(encoding="utf-8"))
    (client,) = realm["clients"]
    settings = GatewaySettings(
        _env_file=None,
        gateway_oidc_issuers=beside["services"]["gateway"]["environment"][
            "SUANLI_GATEWAY_OIDC_ISSUERS"
        ],
    )
    (issuer,) = settings.oidc_issuers()
    place = beside["services"]["keycloak"]["environment"]["KC_HOSTNAME"]
    assert issuer == f"{place}/realms/{realm['realm']}"
    assert client["clientId"] == settings.gateway_oidc_client_id
    # Whoever may come back from a sign-in may come back from a sign-out; Keycloak parts them by ##.
    after = client["attributes"]["post.logout.redirect.uris"].split("##")
    assert after == [
        uri.replace("/sign-in/callback", "/sign-out/done") for uri in client["redirectUris"]
    ]
    audience = client["protocolMappers"][0]["config"]["included.custom.audience"]
    assert audience == settings.gateway_oidc_audience


@pytest.mark.parametrize(
    "wrong", ["http://login.example.org", "ftp://login", "login.example.org", "https://"]
)
def test_an_issuer_is_an_address_by_https_or_next_door(wrong: str) -> None:
    with pytest.raises(ValueError, match="SUANLI_GATEWAY_OIDC_ISSUERS of addresses by https"):
        GatewaySettings(_env_file=None, gateway_oidc_issuers=wrong)


def test_the_specification_is_the_one_that_its_page_names() -> None:
    page = SCHEMA.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(SCHEMA.read_bytes()).hexdigest() in page


def test_every_secret_of_the_compose_file_must_come_from_outside(compose: dict[str, Any]) -> None:
    variables = [
        (name, str(value))
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if SECRET.search(name)
    ]
    assert variables
    assert [name for name, value in variables if not REQUIRED_VARIABLE.search(value)] == []


def test_every_variable_that_must_come_from_outside_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    example = (ROOT / "infra/docker/env.example").read_text("utf-8")
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == wanted
    assert re.findall(r"^[A-Z_]+=.+", example, re.MULTILINE) == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_knows_every_setting_that_the_compose_file_gives_it(
    compose: dict[str, Any], name: str
) -> None:
    module = importlib.import_module(f"services.{name}.settings")
    known = {
        f"{ENV_PREFIX}{field}".upper()
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, KitSettings)
        for field in kind.model_fields
    }
    assert set(compose["services"][name]["environment"]) - known == set()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_after_topics_and_migrations(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["command"] == ["suanli-exchange", "run", name]
    assert {key: value["condition"] for key, value in service["depends_on"].items()} == {
        "migrate": "service_completed_successfully",
        "topics": "service_completed_successfully",
    }


def properties_of(environment: dict[str, str]) -> dict[str, str]:
    """Return the broker's settings as the image makes them of its variables.

    Source: apache/kafka, core/src/main/scala/kafka/docker/KafkaDockerWrapper.scala.
    """
    return {
        key.removeprefix("KAFKA_")
        .lower()
        .replace("_", ".")
        .replace("...", "-")
        .replace("..", "_"): str(value)
        for key, value in environment.items()
    }


def test_the_broker_lets_participants_in_as_the_embedded_one_does(compose: dict[str, Any]) -> None:
    broker = compose["services"]["kafka"]
    found = properties_of(broker["environment"])
    embedded = kafka._PROPERTIES.replace("\\\n", "").splitlines()
    pairs = (line.split("=", 1) for line in embedded if line and not line.startswith("#"))
    own = {name: " ".join(value.split()) for name, value in pairs}
    for name in (
        "sasl.enabled.mechanisms",
        "listener.name.direct.scram-sha-512.sasl.jaas.config",
        "authorizer.class.name",
        "allow.everyone.if.no.acl.found",
        "super.users",
        "controller.listener.names",
        "inter.broker.listener.name",
        "auto.create.topics.enable",
        "message.max.bytes",
    ):
        assert found[name] == own[name], name
    # By one listener more the gateway logs in as whoever may change logins.
    assert (
        found["listener.security.protocol.map"].replace("ACCESS:SASL_PLAINTEXT,", "")
        == (own["listener.security.protocol.map"])
    )
    jaas = "listener.name.{}.scram-sha-512.sasl.jaas.config"
    assert found[jaas.format("access")] == found[jaas.format("direct")]
    desk = compose["services"]["gateway"]["environment"]
    makers = compose["services"]["topics"]["environment"]
    assert desk["SUANLI_GATEWAY_ACCESS_USER"] == makers["SUANLI_GATEWAY_ACCESS_USER"]
    advertised = dict(part.split("://", 1) for part in found["advertised.listeners"].split(","))
    assert desk["SUANLI_GATEWAY_ACCESS_BOOTSTRAP"] == advertised["ACCESS"]
    # Whoever is not on the containers' network reaches the listener that asks for a password.
    listeners = dict(part.split("://", 1) for part in found["listeners"].split(","))
    published = {port.rpartition(":")[2] for port in broker["ports"]}
    assert published == {listeners["DIRECT"].removeprefix(":")}
    assert all(port.startswith("127.0.0.1:") for port in broker["ports"])
    others = {name: one for name, one in compose["services"].items() if name != "kafka"}
    assert [name for name, one in others.items() if "ports" in one] == ["gateway"]


def test_the_image_runs_as_an_ordinary_user_with_pinned_packages() -> None:
    lines = (ROOT / "infra/docker/Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert any("--require-hashes -r requirements/runtime.txt" in line for line in lines)


def test_the_declared_topics_are_those_of_the_registry() -> None:
    assert {spec.name for spec in declared()} == set(TOPICS) - PER_PARTICIPANT


def test_no_declared_topic_forgets_records() -> None:
    kept = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    forgetful = [spec for spec in declared() if not kept.items() <= spec.config.items()]
    # An entry has a key of its own: only what was erased is ever dropped, for what stands for it.
    assert [(spec.name, spec.config["cleanup.policy"]) for spec in forgetful] == [
        ("journal-entries", "compact")
    ]
