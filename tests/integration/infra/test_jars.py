"""Fetching the broker's jars from a registry that does not answer, or answers wrongly."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from infra.local.errors import JarChecksumError, RegistryUnreachableError
from infra.local.jars import REPOSITORY_VARIABLE, ensure_jars, read_lock

pytestmark = [
    pytest.mark.integration,
    # jgo leaves a refused answer to the garbage collector, which closes its socket.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

ROOT = Path(__file__).parents[3]


@contextmanager
def _repository(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/repository"
        server.shutdown()
        thread.join()
    # Here, where the warning is let pass, and not in whichever test the collector next runs.
    gc.collect()


def test_up_says_in_two_languages_what_it_could_not_fetch_and_exits_with_3(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local", "up", "--state-dir", str(tmp_path / "state")],
        cwd=ROOT,
        # Port 1 of loopback: refused at once, as a machine without a network does.
        env={
            **os.environ,
            "SUANLI_CACHE": str(tmp_path / "empty cache"),
            REPOSITORY_VARIABLE: "http://127.0.0.1:1/repository",
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    english, chinese = done.stderr.splitlines()
    for line in (english, chinese):
        assert "http://127.0.0.1:1/repository" in line
        assert read_lock()[0].coordinate in line
    assert "no connection" in english
    assert "无法建立连接" in chinese
    assert not (tmp_path / "state" / "kafka").exists()


def test_an_altered_jar_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _repository(200, b"not the jar that was pinned") as address:
        monkeypatch.setenv(REPOSITORY_VARIABLE, address)
        with pytest.raises(JarChecksumError, match="was altered on its way"):
            ensure_jars(tmp_path, quiet=True)
    assert list(tmp_path.rglob("*.jar")) == []


def test_a_registry_without_the_jar_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _repository(404, b"") as address:
        monkeypatch.setenv(REPOSITORY_VARIABLE, address)
        with pytest.raises(RegistryUnreachableError, match=f"{address}: it answered, but not"):
            ensure_jars(tmp_path, quiet=True)


def test_every_pinned_jar_has_a_name_of_its_own() -> None:
    jars = read_lock()
    assert len({jar.filename for jar in jars}) == len(jars) == 45
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in jars)
