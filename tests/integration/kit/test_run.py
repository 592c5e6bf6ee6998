from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.kit.conftest import eventually

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def running(doing: str, state_file: Path, **more: str) -> AsyncIterator[Process]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SUANLI_")
    } | {
        "SUANLI_DOING": doing,
        "SUANLI_STATE_FILE": str(state_file),
        "SUANLI_LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.kit.service_under_test",
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def state_of(process: Process, state_file: Path) -> dict[str, object]:
    await eventually(lambda: state_file.exists() or process.returncode is not None)
    found: dict[str, object] = json.loads(text_of(state_file))
    return found


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def text_of(path: Path) -> str:
    return path.read_text()


async def ready_port(process: Process, state_file: Path) -> int:
    state = await state_of(process, state_file)
    port = state["health_port"]
    assert isinstance(port, int)
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/readyz"
        status = (await client.get(url)).status_code
        while status != 200:
            await asyncio.sleep(0.02)
            status = (await client.get(url)).status_code
    return port


async def test_a_signal_stops_tasks_then_closes_resources_in_reverse_order_and_exits_0(
    tmp_path: Path,
) -> None:
    state_file = tmp_path / "state.json"
    async with running("wait", state_file) as process:
        await ready_port(process, state_file)
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0, err.decode()
    lines = out.decode().splitlines()
    assert sorted(lines[:2]) == ["main stopped", "worker stopped"]
    assert lines[2:] == ["closed first", "closed last"]
    events = [json.loads(line)["event"] for line in err.decode().splitlines()]
    assert events == ["service started", "stopping", "service stopped"]
    assert files_in(tmp_path) == []


async def test_health_shows_what_is_ready_known_and_measured(tmp_path: Path) -> None:
    state_file = tmp_path / "state.json"
    async with running("wait", state_file) as process:
        port = await ready_port(process, state_file)
        state = await state_of(process, state_file)
        assert (state["name"], state["pid"]) == ("under-test", process.pid)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            ready = (await client.get("/readyz?verbose=1")).json()
            # What was imported is not looked through for cycles.
            facts = {"round": 7, "frozen": True}
            assert ready == {"ready": True, "checks": {"worker": True}, "facts": facts}
            assert (await client.get("/livez")).json() == {"live": True}
            assert "process_resident_memory_bytes" in (await client.get("/metrics")).text
            assert (await client.get("/elsewhere")).status_code == 404
            assert (await client.post("/livez")).status_code == 405
            head = await client.head("/livez")
            assert (head.status_code, head.text) == (200, "")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.parametrize(
    ("doing", "told"),
    [
        ("fail", "worker is broken"),
        ("fail_main", "main is broken"),
    ],
)
async def test_a_task_that_fails_stops_the_service_with_1_and_its_error_in_the_log(
    doing: str, told: str, tmp_path: Path
) -> None:
    async with running(doing, tmp_path / "state.json") as process:
        out, err = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert "closed last" in out.decode()
    (failed,) = (
        line
        for line in map(json.loads, err.decode().splitlines())
        if line["event"] == "task failed"
    )
    assert told in json.dumps(failed["exception"])
    assert failed["level"] == "error"


async def test_a_service_whose_tasks_have_all_ended_exits_with_0(tmp_path: Path) -> None:
    async with running("end", tmp_path / "state.json") as process:
        await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0


async def test_a_task_that_does_not_listen_is_cancelled_after_the_time_allowed(
    tmp_path: Path,
) -> None:
    state_file = tmp_path / "state.json"
    async with running("deaf", state_file, SUANLI_SHUTDOWN_S="0.3") as process:
        await ready_port(process, state_file)
        started_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0
    assert time.monotonic() - started_s < 5
    assert "closed last" in out.decode()
    assert "did not stop in time" in err.decode()


async def test_a_second_signal_ends_the_process_at_once_even_with_a_stuck_thread(
    tmp_path: Path,
) -> None:
    state_file = tmp_path / "state.json"
    async with running("stuck_thread", state_file) as process:
        await ready_port(process, state_file)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 130


async def test_a_cancellation_that_nobody_asked_for_ends_the_service_with_1(
    tmp_path: Path,
) -> None:
    async with running("cancelled", tmp_path / "state.json") as process:
        out, err = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert "closed last" in out.decode()
    assert "task cancelled from within" in err.decode()


async def test_a_resource_that_cannot_be_closed_is_logged_and_exits_with_1(
    tmp_path: Path,
) -> None:
    state_file = tmp_path / "state.json"
    async with running("fail_closing", state_file) as process:
        await ready_port(process, state_file)
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert "cannot close" in err.decode()


async def test_a_wrong_setting_exits_with_2_before_anything_runs(tmp_path: Path) -> None:
    async with running("wait", tmp_path / "s", SUANLI_HEALTH_PORT="x") as process:
        _, err = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 2
    assert err.decode().startswith("settings: SUANLI_HEALTH_PORT must be")
