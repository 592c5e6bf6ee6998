"""`suanli` as the end-to-end tests run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from suanli.cli import build_app


class Cli:
    """Runs `suanli` as one participant of each role."""

    def __init__(self, clients: Path) -> None:
        self._files = {
            json.loads(path.read_text(encoding="utf-8"))["role"]: path
            for path in sorted(clients.glob("*.json"), reverse=True)
        }
        self.ledger_dsn = ""
        self._runner = CliRunner(env={"LANG": "C.UTF-8", "SUANLI_MARKET": None})

    def join(self, who: str, api_key: str, folder: Path) -> None:
        """Run commands as one more participant too, by its id."""
        url = json.loads(self._files["operator"].read_text(encoding="utf-8"))["api_url"]
        path = folder / f"{who}.json"
        path.write_text(json.dumps({"api_url": url, "api_key": api_key}), encoding="utf-8")
        self._files[who] = path

    def run(self, who: str, *words: str, expect: int | None = 0) -> Result:
        """Run a command; insist on its exit code, unless any will do."""
        done = self._runner.invoke(build_app(), [*words, "--client", str(self._files[who])])
        failed = done.exception is not None and not isinstance(done.exception, SystemExit)
        assert not failed, done.exception
        assert expect in (None, done.exit_code), f"{words}: {done.exit_code}\n{done.output}"
        return done

    def json(self, who: str, *words: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command; return what it prints as JSON."""
        return json.loads(self.run(who, *words, "-o", "json").stdout)
