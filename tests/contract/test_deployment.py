"""The deployment files: valid by the specifications of others, and true to our own settings."""

from __future__ import annotations

import base64
import hashlib
import importlib
import inspect
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from infra.local import kafka
from infra.local.topics import declared
from schemas.registry import PER_PARTICIPANT, TOPICS
from services.cli import app as cli
from services.gateway.settings import GatewaySettings
from services.kit.settings import ENV_PREFIX, KitSettings, read
from services.kit.signing import NoteSigner

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
    # Without a port, which of a loopback address means any: `make up` chooses its own.
    places = [urlsplit(uri) for uri in client["redirectUris"]]
    assert [(at.hostname, at.port) for at in places] == [("127.0.0.1", None), ("localhost", None)]
    told_at = urlsplit(client["attributes"]["backchannel.logout.url"])
    assert (told_at.netloc, told_at.path) == ("gateway:8080", "/sign-out/back-channel")
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


def test_files_of_exports_are_kept_on_a_disk_that_the_gateway_may_write_to(
    compose: dict[str, Any],
) -> None:
    gateway = compose["services"]["gateway"]
    folder = gateway["environment"]["SUANLI_GATEWAY_EXPORT_FOLDER"]
    (volume,) = [mount.partition(":") for mount in gateway["volumes"]]
    assert (volume[0] in compose["volumes"], volume[2]) == (True, folder)
    dockerfile = (ROOT / "infra/docker/Dockerfile").read_text("utf-8")
    user = re.search(r"^USER (\d+):", dockerfile, re.MULTILINE)
    assert user is not None
    assert f"--owner={user[1]} --group={user[1]} {folder}\n" in dockerfile


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


def value_of(text: str, given: dict[str, str]) -> str:
    """Return a value of the compose file with its variables filled in, as compose does."""
    named = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*)|:\?[^}]+)\}")
    return named.sub(lambda found: given.get(found[1]) or found[2] or "", text)


@pytest.mark.parametrize("name", SERVICES)
def test_what_the_example_asks_for_is_all_that_a_service_needs(
    compose: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_key = NoteSigner.generate("suanli-exchange/ledger")
    given = {
        "SUANLI_GATEWAY_OPERATOR_KEY": f"sk_{'0' * 64}",
        "SUANLI_GATEWAY_RECEIPT_KEY": base64.b64encode(bytes(32)).decode(),
        "SUANLI_LEDGER_LOG_KEY": log_key.secret_text(),
        "SUANLI_GATEWAY_LOG_KEY": str(log_key.verifier),
        "SUANLI_AUDITOR_LOG_KEY": str(log_key.verifier),
    }
    example = (ROOT / "infra/docker/env.example").read_text("utf-8")
    wanted = re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)
    given = dict.fromkeys(wanted, "a1b2c3d4e5f60718293a4b5c") | given
    for variable in [one for one in os.environ if one.startswith(ENV_PREFIX.upper())]:
        monkeypatch.delenv(variable)
    for variable, text in compose["services"][name]["environment"].items():
        monkeypatch.setenv(variable, value_of(str(text), given))
    kind = getattr(importlib.import_module(f"services.{name}.settings"), f"{name.title()}Settings")
    settings = read(kind, env_file=None)
    check = compose["services"][name]["healthcheck"]["test"][-1]
    assert f":{settings.health_port}/readyz" in check
    password = given[f"SUANLI_{name.upper()}_DB_PASSWORD"]
    assert f"suanli_{name}:{password}@postgres" in settings.postgres_dsn.get_secret_value()


def test_every_command_file_and_image_that_the_compose_files_name_is_there(
    compose: dict[str, Any],
) -> None:
    beside = yaml.safe_load((ROOT / "infra/docker/keycloak.yml").read_text("utf-8"))
    known = {
        one.name or one.callback.__name__.replace("_", "-")
        for one in cli.registered_commands
        if one.callback is not None
    }
    for name, service in [*compose["services"].items(), *beside["services"].items()]:
        command = service.get("command", [])
        if command[:1] == ["suanli-exchange"]:
            assert command[1] in known, name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else True, volume
        if "image" in service:
            # A tag that says a version, not `latest` or none.
            assert re.fullmatch(r"[a-z/-]+:\d[\w.]*", service["image"]), name
        if name not in {"topics", "migrate", "keycloak"} and service is not beside["services"].get(
            name
        ):
            assert service["healthcheck"]["test"][0].startswith("CMD"), name
    example = (ROOT / "infra/docker/env.example").read_text("utf-8")
    assert set(re.findall(r"suanli-exchange ([a-z-]+)", example)) <= known


def test_the_database_begins_with_the_logins_that_the_services_come_by(
    compose: dict[str, Any],
) -> None:
    script = (ROOT / "infra/docker/postgres-init.sh").read_text("utf-8")
    given = compose["services"]["postgres"]["environment"]
    assert set(re.findall(r"\$\{?([A-Z_]+)", script)) <= set(given)
    made = set(re.findall(r"CREATE ROLE (\w+) LOGIN", script))
    come_by = {
        re.match(r"postgresql://(\w+):", environment["SUANLI_POSTGRES_DSN"])[1]  # type: ignore[index]
        for service in compose["services"].values()
        if "SUANLI_POSTGRES_DSN" in (environment := service.get("environment", {}))
    }
    assert come_by == made
    migrate = compose["services"]["migrate"]["environment"]
    assert {migrate[f"SUANLI_{name.upper()}_LOGIN"] for name in SERVICES} == made - {"suanli"}


def test_the_image_is_built_from_what_is_there_and_may_write_what_it_compiles(
    compose: dict[str, Any],
) -> None:
    text = (ROOT / "infra/docker/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    ignored = (ROOT / "infra/docker/Dockerfile.dockerignore").read_text(encoding="utf-8")
    allowed = re.findall(r"^!(.+)$", ignored, re.MULTILINE)
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in allowed, source
    # Packages are built without a look at a registry, by what the lock has.
    lock = (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8")
    for folder in (ROOT, ROOT / "services/sdk"):
        needs = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["build-system"]
        for need in needs["requires"]:
            assert re.search(rf"^{re.split('[<>=]', need)[0]}==", lock, re.MULTILINE), need
    # The root is read-only; without a place to write, the compiler of large books does not load.
    place = re.search(r"NUMBA_CACHE_DIR=(\S+)", text)
    assert place is not None
    for name in SERVICES:
        service = compose["services"][name]
        assert service["read_only"]
        assert any(place[1].startswith(f"{folder}/") for folder in service["tmpfs"]), name


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
