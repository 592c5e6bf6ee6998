"""Where a command finds the exchange: its options, the environment, a file, or a profile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from suanli import profiles
from suanli.check_print import language
from suanli.cli.errors import UsageProblem, because

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Address(NamedTuple):
    """An exchange as a command talks to it; what is ``None`` was told nowhere."""

    api_url: str | None
    api_key: str | Callable[[], str] | None
    market_id: str | None
    lang: str


def address_of(shared: dict[str, Any]) -> Address:
    """Return what the options say, which hold the environment's values; else the profile.

    Raises:
        UsageProblem: if a file that is named cannot be read, or a profile is not there.
    """
    profile = _profile(shared["profile"])
    lang = language(shared["lang"] or profile.get("lang"))
    market_id = profile.get("market")
    if shared["client"] is not None:
        return Address(*_from_file(shared["client"]), market_id, lang)
    url, key = shared["api_url"], shared["api_key"]
    if url in {None, profile.get("api_url")}:
        own = key or _credential(shared["profile"], profile)
        return Address(profile.get("api_url"), own, market_id, lang)
    # A profile's key is for the profile's exchange; no other may see it.
    return Address(url, key, None, lang)


_CLIENT_FILE = ("a JSON file with api_url and api_key", "含 api_url 与 api_key 的 JSON 文件")


def _profile(name: str | None) -> dict[str, str]:
    try:
        found = profiles.load()
    except profiles.ProfileError as error:
        wanted = (f"a file of profiles ({error})", f"档案文件({error})")
        raise UsageProblem("SUANLI_CONFIG", str(profiles.path()), wanted) from error
    if name is not None and name not in found.settings:
        known = ", ".join(sorted(found.settings)) or "-"
        raise UsageProblem("--profile", name, (f"one of {known}", f"{known} 之一"))
    return found.of(name)


def _credential(name: str | None, profile: dict[str, str]) -> str | Callable[[], str] | None:
    # Whoever signed in did so to act as himself, until he signs out.
    if "access_token" not in profile:
        return profile.get("api_key")
    from suanli.sign_in import ProfileToken

    return ProfileToken(name or profiles.load().current)


def _from_file(file: Path) -> tuple[str, str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return str(found["api_url"]), str(found["api_key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageProblem(
            "--client",
            str(file),
            because(
                ("a JSON file with api_url and api_key", "含 api_url 与 api_key 的 JSON 文件"),
                error,
            ),
        ) from error
