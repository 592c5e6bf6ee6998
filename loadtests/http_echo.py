"""The bare FastAPI endpoint that `loadtests.http` compares with: it parses and echoes a body."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI


def main() -> None:
    """Serve, and write the port into the file that is named."""
    app = FastAPI()

    @app.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port_file = Path(sys.argv[1])
    draft = port_file.with_suffix(".draft")
    draft.write_text(str(listening.getsockname()[1]), encoding="utf-8")
    draft.replace(port_file)
    config = uvicorn.Config(app, log_level="error", access_log=False, loop="uvloop")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
