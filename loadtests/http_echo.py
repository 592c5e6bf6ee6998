"""The bare FastAPI endpoint that `loadtests.http` compares with: it parses and echoes a body."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI


def main() -> None:
    """Serve, and write the port into the file that is named; a port may be named after it."""
    app = FastAPI()

    @app.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    port_file, port = Path(sys.argv[1]), int(sys.argv[2])
    # Several share a port as several gateways do.
    listening = socket.create_server(("127.0.0.1", port), backlog=2048, reuse_port=True)
    draft = port_file.with_suffix(".draft")
    draft.write_text(str(listening.getsockname()[1]), encoding="utf-8")
    draft.replace(port_file)
    config = uvicorn.Config(app, log_level="error", access_log=False, loop="uvloop")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
