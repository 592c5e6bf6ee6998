"""Running a service: logs, signals, supervised tasks, health, a stop that ends in time.

A task that fails stops the process with exit code 1. Starting again is the recovery path,
and it is the same path as the first start.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from services.kit.clock import make_clock
from services.kit.health import Health
from services.kit.logging import configure, get_logger
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from services.kit.leases import LeaseKeeper

SettingsT = TypeVar("SettingsT", bound=KitSettings)

# Closing a pool or a client takes milliseconds unless its other end is gone.
_CLOSE_S_MAX = 5.0
# After the graceful stop, the cancellation and the closing have all run out of time.
_LAST_RESORT_S = 20.0
_SECOND_SIGNAL_EXIT = 130
# Requests and records make many values and few cycles. By default the collector looks for cycles
# whenever 700 more values live than at its last look, a few requests or one batch from the log,
# which took a fifth of the gateway's time.
_COLLECT_AFTER = (50_000, 10, 10)


class ServiceContext(Generic[SettingsT]):
    """What the kit gives to a service's main.

    Args:
        name: Name of the service.
        settings: Its settings.

    Attributes:
        name: Name of the service.
        settings: Its settings.
        clock: Its clock, the market's if the settings say so.
        log: Its logger.
        stop_event: Set once the service should end; loops look at it.
        health: What ``/readyz`` shows.
    """

    def __init__(self, name: str, settings: SettingsT) -> None:
        self.name = name
        self.settings = settings
        self.clock = make_clock(settings)
        self.log = get_logger(name)
        self.stop_event = asyncio.Event()
        self.health = Health()
        self.failed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._state: dict[str, str | float] = {"name": name, "pid": os.getpid()}

    def spawn(self, name: str, coro: Coroutine[Any, Any, Any]) -> None:
        """Run a task beside main; if it fails the service stops with exit code 1."""
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def ready(self, name: str, ready: bool) -> None:  # noqa: FBT001
        """Say whether a part is ready; ``/readyz`` is 200 once all named parts are."""
        self.health.set_check(name, ready=ready)

    def set_health(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001
        """Show a fact at ``/readyz``, for example a lag or a round number."""
        self.health.set_fact(name, value)

    def on_close(self, close: Callable[[], Awaitable[object]]) -> None:
        """Call this after all tasks have ended, the last registered first."""
        self._closers.append(close)

    async def take_lease(self, keeper: LeaseKeeper) -> int | None:
        """Wait for a lease and hold it until the end; return its epoch.

        ``None`` if the context stopped before it came.
        """
        epoch = await keeper.acquire(self.stop_event)
        if epoch is not None:
            self.on_close(keeper.release)
            self.spawn("lease", keeper.keep(self.stop_event))
        return epoch

    def publish_state(self, **facts: str | float) -> None:
        """Add facts, such as the port of an HTTP server, to the state file if there is one."""
        self._state |= facts
        path = self.settings.state_file
        if path is not None:
            # Replaced whole, so that a reader never sees half a file.
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            draft.write_text(json.dumps(self._state) + "\n", encoding="utf-8")
            draft.replace(path)

    async def serve(self, main: Callable[[ServiceContext[SettingsT]], Awaitable[None]]) -> int:
        """Run main and its tasks until they end or ``stop_event`` is set; return the exit code."""
        port = await self.health.start(self.settings.health_host, self.settings.health_port)
        self.publish_state(health_port=port)
        self.log.info("service started", health_port=port)
        self.spawn("main", _as_coroutine(main(self)))
        try:
            await self._until_stop()
            await self._end_tasks()
            await self._close()
        finally:
            await self.health.stop()
            if self.settings.state_file is not None:
                self.settings.state_file.unlink(missing_ok=True)
        self.log.info("service stopped", failed=self.failed)
        return 1 if self.failed else 0

    async def _until_stop(self) -> None:
        stopping = asyncio.ensure_future(self.stop_event.wait())
        try:
            while self._tasks and not self.stop_event.is_set():
                await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        self.stop_event.set()

    async def _end_tasks(self) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=self.settings.shutdown_s)
        late = set(self._tasks)
        for task in late:
            self.log.warning("task cancelled, it did not stop in time", task=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CLOSE_S_MAX)

    async def _close(self) -> None:
        for close in reversed(self._closers):
            try:
                async with asyncio.timeout(_CLOSE_S_MAX):
                    await close()
            except Exception:
                self.failed = True
                self.log.exception("closing failed")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:
            # Only the end of the service cancels tasks; else a library let a cancellation escape,
            # and a service that goes on without its reader or its lease is worse than none.
            if not self.stop_event.is_set():
                self._fail("task cancelled from within", task, cancelled)
            return
        if error is not None:
            self._fail("task failed", task, error)

    def _fail(self, what: str, task: asyncio.Task[Any], error: BaseException) -> None:
        self.failed = True
        self.log.error(what, task=task.get_name(), exc_info=error)
        self.stop_event.set()


def run_service(
    name: str,
    main: Callable[[ServiceContext[SettingsT]], Awaitable[None]],
    settings: SettingsT,
) -> NoReturn:
    """Run a service until a signal, the end of all its tasks, or a failure; then exit.

    The service runs on while main or any spawned task runs. On SIGTERM or SIGINT
    ``stop_event`` is set; what has not ended after ``settings.shutdown_s`` seconds is
    cancelled, then the ``on_close`` callbacks run. A second signal ends the process at once.

    Raises:
        SystemExit: 0 after a signal or a natural end, 1 after a failure.
    """
    configure(name, settings)
    # What was imported lives as long as the process: nothing in it is to be looked for.
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        code = runner.run(_run(name, main, settings))
    sys.exit(code)


async def _run(
    name: str,
    main: Callable[[ServiceContext[SettingsT]], Awaitable[None]],
    settings: SettingsT,
) -> int:
    context = ServiceContext(name, settings)

    def stop(number: int) -> None:
        if context.stop_event.is_set():
            os._exit(_SECOND_SIGNAL_EXIT)
        context.log.info("stopping", signal=signal.Signals(number).name)
        context.stop_event.set()
        _arm_last_resort(settings.shutdown_s + _LAST_RESORT_S)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        return await context.serve(main)
    except Exception:
        context.log.exception("service failed")
        return 1
    finally:
        # What is left now is a thread or a callback that hangs.
        _arm_last_resort(_LAST_RESORT_S)


def _arm_last_resort(after_s: float) -> None:
    """End the process even if a thread or a library never returns."""
    timer = threading.Timer(after_s, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    # Not made for Windows; there the standard loop does.
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415

        return uvloop.new_event_loop
    return None


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
