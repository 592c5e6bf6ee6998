from __future__ import annotations

from pathlib import Path

import pytest

from services.kit.errors import SettingsError
from services.kit.settings import KitSettings, load, read


class ServiceSettings(KitSettings):
    instance: str
    rounds_max: int = 3


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    for name in os.environ:
        if name.startswith("SUANLI_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUANLI_INSTANCE", "a")


def test_settings_come_from_the_environment_under_the_common_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUANLI_ROUNDS_MAX", "7")
    monkeypatch.setenv("SUANLI_SCHEMA_PREFIX", "t1_")
    settings = read(ServiceSettings)
    assert (settings.instance, settings.rounds_max) == ("a", 7)
    assert settings.schema_of("ledger") == "t1_ledger"


def test_the_environment_overrides_the_env_file_which_may_hold_what_other_services_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("SUANLI_ROUNDS_MAX=5\nSUANLI_TOPIC_PREFIX=x.\nSUANLI_OTHER=1\n")
    monkeypatch.setenv("SUANLI_TOPIC_PREFIX", "y.")
    settings = read(ServiceSettings)
    assert (settings.rounds_max, settings.topic_prefix) == (5, "y.")


def test_a_secret_comes_from_the_secrets_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "suanli_postgres_dsn").write_text("postgresql://a:b@c/d\n")
    monkeypatch.setenv("SUANLI_SECRETS_DIR", str(folder))
    settings = read(ServiceSettings)
    assert settings.postgres_dsn.get_secret_value() == "postgresql://a:b@c/d"
    assert "b@c" not in repr(settings)


def test_a_secrets_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANLI_SECRETS_DIR", "/no/such/folder")
    with pytest.raises(SettingsError, match="SUANLI_SECRETS_DIR must be an existing folder"):
        read(ServiceSettings)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("SUANLI_HEALTH_PORT", "70000", "less than or equal to 65535"),
        ("SUANLI_ROUNDS_MAX", "many", "a valid integer"),
        ("SUANLI_LOG_FORMAT", "xml", "'json', 'console' or 'auto'"),
        ("SUANLI_SCHEMA_PREFIX", "Bad-", "text that matches"),
        ("SUANLI_KAFKA_BOOTSTRAP", "nowhere", "text that matches"),
        ("SUANLI_CLOCK_SPEED", "0", "greater than 0"),
    ],
)
def test_an_error_names_the_variable_its_value_and_what_is_allowed(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        read(ServiceSettings)
    assert caught.value.field == variable
    assert value in caught.value.value
    assert allowed in caught.value.allowed
    assert f"{variable} must be" in str(caught.value)
    assert variable in caught.value.message.zh


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUANLI_INSTANCE")
    monkeypatch.setenv("SUANLI_ROUNDS_MAX", "x")
    with pytest.raises(SettingsError) as caught:
        read(ServiceSettings)
    named = {name: value for name, value, _ in caught.value.problems}
    assert named == {"SUANLI_INSTANCE": "not set", "SUANLI_ROUNDS_MAX": "'x'"}


def test_half_of_the_market_clock_s_epochs_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUANLI_CLOCK_MARKET_EPOCH", "2026-01-01T00:00:00Z")
    with pytest.raises(SettingsError, match="SUANLI_CLOCK_REAL_EPOCH"):
        read(ServiceSettings)


def test_sasl_without_a_password_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANLI_KAFKA_SECURITY", "sasl_ssl")
    monkeypatch.setenv("SUANLI_KAFKA_USER", "matching")
    with pytest.raises(SettingsError, match="SUANLI_KAFKA_PASSWORD"):
        read(ServiceSettings)


def test_load_prints_the_problem_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUANLI_HEALTH_PORT", "-1")
    with pytest.raises(SystemExit) as caught:
        load(ServiceSettings)
    assert caught.value.code == 2
    assert "SUANLI_HEALTH_PORT must be greater than or equal to 0, was '-1'" in (
        capsys.readouterr().err
    )
