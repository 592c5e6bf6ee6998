"""People who sign in on the command line, against a real issuer and a served gateway."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from suanli import profiles
from suanli.cli import build_app
from suanli.errors import SignInError
from suanli.sign_in import ProfileToken, Tokens, renewed
from tests.integration.gateway.conftest import OPERATOR_KEY, Market
from tests.integration.gateway.serving import served
from tests.issuer import Issuer

Json = dict[str, Any]


async def suanli(*words: str, key: str | None = None) -> tuple[int, str, str]:
    """Return the exit code of a command, and what it said."""
    app = build_app((words[0],))
    # It asks the gateway, which is served here, so it must not keep it waiting.
    done = await asyncio.to_thread(
        CliRunner().invoke, app, list(words), env={"SUANLI_API_KEY": key}
    )
    return done.exit_code, done.stdout, done.stderr


def mode_of(file: Path) -> int | None:
    return stat.S_IMODE(file.stat().st_mode) if file.exists() else None


async def test_a_person_signs_in_acts_with_renewed_tokens_and_signs_out(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.json"
    monkeypatch.setenv("SUANLI_CONFIG", str(file))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(sys, "argv", ["suanli"])
    for name in ("SUANLI_API_URL", "SUANLI_API_KEY", "SUANLI_PROFILE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    mine = market.gateway
    with Issuer() as issuer:
        changed = mine.settings.model_copy(update={"gateway_oidc_issuers": issuer.url})
        gateway = replace(mine, settings=changed)
        async with served(gateway) as url:
            await journey(url, issuer, file)


async def journey(url: str, issuer: Issuer, file: Path) -> None:
    login = ("login", "--api-url", url, "-o", "json")
    code, _, told = await suanli(*login)
    assert (code, "li-hua" in told, "WDJB-MJHT" in told) == (1, True, True), told
    assert mode_of(file) is None

    add = ("members", "add", "--participant", "provider-1", "--subject", "li-hua")
    words = (*add, "--name", "Li Hua", "--scope", "read", "--scope", "admin", "--api-url", url)
    code, out, told = await suanli(*words, "-o", "json", key=OPERATOR_KEY)
    assert code == 0, told
    member = json.loads(out)[0]["member_id"]
    code, out, told = await suanli(*login)
    assert (code, json.loads(out)["credential_id"]) == (0, member), told
    assert mode_of(file) == 0o600
    assert "token" not in (await suanli("config", "list", "-o", "json"))[1]

    # What is about to end is renewed before it is sent, once for all that come after.
    first = Tokens.of(profiles.load().of(None))
    assert first is not None
    profiles.save(profiles.load().with_setting("default", "token_expires_at", "1"))
    code, out, _ = await suanli("whoami", "-o", "json")
    assert (code, json.loads(out)["member"]["name"]) == (0, "Li Hua")
    second = Tokens.of(profiles.load().of(None))
    assert second is not None
    assert second.refresh != first.refresh
    assert ProfileToken("default")() == second.access

    # Whoever signs out takes what he was given with him, whoever has a copy of it.
    assert (await suanli("logout"))[0] == 0
    assert issuer.asked[-1] == "revoke"
    with pytest.raises(SignInError, match="invalid_grant"):
        await asyncio.to_thread(renewed, second)
    assert (await suanli(*login))[0] == 0

    code, out, told = await suanli("members", "list", "-o", "json")
    assert (code, [one["member_id"] for one in json.loads(out)]) == (0, [member]), told
    assert (await suanli("members", "scopes", member, "--scope", "read"))[0] == 0
    code, _, told = await suanli("members", "suspend", member)
    assert (code, "auth.missing_scope" in told) == (1, True), told

    profiles.save(
        profiles.load()
        .with_setting("default", "token_expires_at", "1")
        .with_setting("default", "refresh_token", "old")
    )
    code, _, told = await suanli("whoami")
    assert (code, "invalid_grant" in told, "suanli login" in told) == (1, True, True), told
    issuer.takes_back = False
    code, _, told = await suanli("logout")
    assert (code, "unsupported_token_type" in told) == (0, True), told
    assert Tokens.of(profiles.load().of(None)) is None
    code, _, told = await suanli("whoami")
    assert (code, "auth.key_missing" in told) == (1, True), told
