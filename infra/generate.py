"""Write or check the generated files that need the services: OpenAPI, client, settings page.

``python -m infra.generate`` writes, ``--check`` fails when a file is stale. The wire contract's
own files are written by ``python -m schemas.generate``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from infra.client_code import client_files
from services.auditor.settings import AuditorSettings
from services.gateway.adapters.http.server import openapi
from services.gateway.settings import GatewaySettings
from services.kit.settings import KitSettings
from services.ledger.settings import LedgerSettings
from services.matching.settings import MatchingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+?)(?=^ {4}\w+: |\Z)", re.MULTILINE | re.DOTALL)
_SECTIONS: tuple[tuple[str, type[KitSettings]], ...] = (
    ("Every service", KitSettings),
    ("Gateway", GatewaySettings),
    ("Matching", MatchingSettings),
    ("Ledger", LedgerSettings),
    ("Auditor", AuditorSettings),
)


def files() -> Iterator[tuple[Path, str]]:
    """Yield each generated file and the text that it must hold."""
    contract = openapi()
    document = json.dumps(contract, ensure_ascii=False, indent=2) + "\n"
    yield ROOT / "schemas" / "openapi.json", document
    yield from client_files(ROOT, contract)
    yield ROOT / "docs" / "reference" / "settings.md", settings_page()


def settings_page() -> str:
    """Return the page of all settings, from the classes that read them."""
    lines = [
        "# Settings",
        "",
        "Generated from the settings classes by `make gen`; do not edit.",
        "",
        "Settings come from environment variables, a `.env` file in the working folder, or one",
        "file per variable in the folder that `SUANLI_SECRETS_DIR` names. Nothing else is read.",
    ]
    shared = set(KitSettings.model_fields)
    for title, cls in _SECTIONS:
        own = [name for name in cls.model_fields if cls is KitSettings or name not in shared]
        texts = {name: text.replace("``", "`") for name, text in _attributes(cls).items()}
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "| --- | --- | --- |"]
        lines += [
            f"| `SUANLI_{name.upper()}` | {_default(cls, name)} | {texts[name]} |" for name in own
        ]
    return "\n".join(lines) + "\n"


def _attributes(cls: type[KitSettings]) -> dict[str, str]:
    text = inspect.getdoc(cls) or ""
    part = text.split("Attributes:\n", 1)[-1]
    return {name: " ".join(body.split()) for name, body in _ATTRIBUTE.findall(part)}


def _default(cls: type[KitSettings], name: str) -> str:
    value = cls.model_fields[name].default
    if value is PydanticUndefined:
        return "the host's name" if cls.model_fields[name].default_factory else "(needed)"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "(none)" if value in {None, ""} else f"`{value}`"


def main() -> int:
    """Write or check; return 1 if a check finds a stale file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    check = parser.parse_args().check
    stale = 0
    for path, text in files():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        name = path.relative_to(ROOT)
        if check:
            sys.stderr.write(f"{name} is stale: run `make gen` and commit it\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
