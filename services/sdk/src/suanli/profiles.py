"""Profiles: which exchange, whose key, which language, kept in one file of the user's own.

A setting is taken from the command's option, else from the environment, else from the profile.
The file holds keys, so nobody else may read it (mode 0600).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SETTINGS: Final = ("api_url", "api_key", "market", "lang")
DEFAULT: Final = "default"
_PRIVATE: Final = 0o600


class ProfileError(Exception):
    """The file of profiles cannot be read."""


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles and the one in use; a change makes a new value.

    Attributes:
        current: Name of the profile in use.
        settings: Setting -> value, by the name of the profile.
    """

    current: str = DEFAULT
    settings: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, name: str | None) -> dict[str, str]:
        """Return the settings of a profile, of the one in use if none is named."""
        return self.settings.get(name or self.current, {})

    def with_setting(self, name: str, setting: str, value: str | None) -> Profiles:
        """Return the profiles with a setting set, or without it."""
        changed = {key: text for key, text in self.of(name).items() if key != setting}
        if value is not None:
            changed[setting] = value
        return Profiles(self.current, self.settings | {name: changed})

    def using(self, name: str) -> Profiles:
        """Return the profiles with another one in use."""
        return Profiles(name, self.settings)


def path() -> Path:
    """Return where the profiles are: ``SUANLI_CONFIG``, else in the user's configuration folder."""
    chosen = os.environ.get("SUANLI_CONFIG")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "suanli" / "config.json"


def load() -> Profiles:
    """Return the profiles, none if there is no file.

    Raises:
        ProfileError: if the file cannot be read, or is not one of profiles.
    """
    file = path()
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        settings = {
            str(name): {str(key): str(text) for key, text in values.items()}
            for name, values in found["profiles"].items()
        }
        return Profiles(str(found["current"]), settings)
    except FileNotFoundError:
        return Profiles()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProfileError(f"{file}: {error!r}") from error


def save(profiles: Profiles) -> None:
    """Write the profiles; the old file stays whole until the new one is."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({"current": profiles.current, "profiles": profiles.settings}, indent=2)
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    # Private before the first byte is in it.
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as sink:
        sink.write(text + "\n")
    partial.replace(file)
