"""A service for the tests of the runner; what it does is told by ``SUANLI_DOING``."""

import asyncio
import gc
import sys
import time
from typing import Literal

from services.kit.run import ServiceContext, run_service
from services.kit.settings import KitSettings, load


class Settings(KitSettings):
    doing: Literal[
        "wait", "fail", "fail_main", "cancelled", "end", "deaf", "stuck_thread", "fail_closing"
    ]


async def main(context: ServiceContext[Settings]) -> None:
    """Do what is asked."""
    doing = context.settings.doing

    async def say_first() -> None:
        sys.stdout.write("closed first\n")

    async def say_last() -> None:
        sys.stdout.write("closed last\n")
        if doing == "fail_closing":
            raise OSError("cannot close")

    context.on_close(say_last)
    context.on_close(say_first)
    context.spawn("worker", work(context, doing))
    context.set_health("round", 7)
    context.set_health("frozen", gc.get_freeze_count() > 0)
    context.ready("worker", True)
    if doing == "fail_main":
        raise RuntimeError("main is broken")
    if doing != "end":
        await context.stop_event.wait()
        sys.stdout.write("main stopped\n")


async def work(context: ServiceContext[Settings], doing: str) -> None:
    """Be the task that runs beside main."""
    if doing == "end":
        return
    if doing == "fail":
        raise RuntimeError("worker is broken")
    if doing == "cancelled":
        raise asyncio.CancelledError
    if doing == "deaf":
        await asyncio.sleep(3600)
    if doing == "stuck_thread":
        await asyncio.to_thread(time.sleep, 3600)
    await context.stop_event.wait()
    sys.stdout.write("worker stopped\n")


if __name__ == "__main__":
    run_service("under-test", main, load(Settings, env_file=None))
