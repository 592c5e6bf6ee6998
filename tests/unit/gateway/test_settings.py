"""Settings of the gateway that depend on each other."""

from base64 import b64encode
from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings
from services.kit.errors import SettingsError
from services.kit.settings import read

KEY = f"k1:{b64encode(bytes(32)).decode()}"


def test_hosts_for_webhooks_need_a_key_that_seals_their_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUANLI_GATEWAY_WEBHOOK_HOSTS", "hooks.lab.example")
    with pytest.raises(SettingsError, match="SUANLI_GATEWAY_WEBHOOK_KEYS with"):
        read(GatewaySettings, env_file=None)
    monkeypatch.setenv("SUANLI_GATEWAY_WEBHOOK_KEYS", "k1:short")
    with pytest.raises(SettingsError, match="SUANLI_GATEWAY_WEBHOOK_KEYS of name:key"):
        read(GatewaySettings, env_file=None)
    monkeypatch.delenv("SUANLI_GATEWAY_WEBHOOK_KEYS")
    (tmp_path / "suanli_gateway_webhook_keys").write_text(KEY + "\n")
    monkeypatch.setenv("SUANLI_SECRETS_DIR", str(tmp_path))
    assert read(GatewaySettings, env_file=None).webhook_sealer().names == ("k1",)


def test_gateways_can_share_a_port_that_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANLI_GATEWAY_SHARES_PORT", "true")
    assert read(GatewaySettings, env_file=None).gateway_shares_port
    monkeypatch.setenv("SUANLI_GATEWAY_PORT", "0")
    with pytest.raises(SettingsError, match="SUANLI_GATEWAY_PORT of at least 1 with"):
        read(GatewaySettings, env_file=None)
