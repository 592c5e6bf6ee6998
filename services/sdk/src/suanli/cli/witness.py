"""`suanli witness`: cosign the heads of logs, so that nobody is shown another history."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from suanli.cli.errors import UsageProblem
from suanli.cli.log import parse_key
from suanli.cli.session import Session, command, group, option
from suanli.witness import BODY_BYTES_MAX, Answer, Cosigner, CosignerError, Witness

if TYPE_CHECKING:
    import typer

_PATH: Final = "/add-checkpoint"
_IDLE_S_MAX: Final = 10.0
_KEY_FILE: Final = "witness.key"

Name = Annotated[
    str,
    option(
        "--name",
        en="Name of the witness's key, such as regulator.example/witness.",
        zh="见证方密钥名称,如 regulator.example/witness。",
    ),
]
Folder = Annotated[
    Path,
    option(
        "--dir",
        en="Folder of the key and of the last heads; keep it.",
        zh="存放密钥与最近检查点的目录;须妥善保存。",
        file_okay=False,
    ),
]
_Host = Annotated[str, option("--host", en="Address to listen on.", zh="监听地址。")]
_Port = Annotated[
    int,
    option("--port", en="Port; 0 lets the system choose.", zh="端口;0 为自动。", min=0, max=65535),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    witness = group(
        app,
        "witness",
        en="Watch a log: cosign what extends all that was seen before.",
        zh="见证日志:仅对延续既往记录的检查点共同签名。",
    )
    command(
        witness,
        "run",
        en="Run a witness until it is stopped; makes its key at the first start.",
        zh="运行见证服务直至停止;首次启动时生成密钥。",
    )(_run)
    command(witness, "key", en="Show the witness's verifier key.", zh="显示见证方公钥。")(_key)


def _key(session: Session, name: Name, folder: Folder) -> None:
    sys.stdout.write(_open(session, name, folder).verifier + "\n")


def _run(
    session: Session,
    name: Name,
    folder: Folder,
    logs: Annotated[
        list[str],
        option(
            "--log-key",
            en="Verifier key of a log to watch; may be repeated.",
            zh="所见证日志的公钥;可重复。",
        ),
    ],
    host: _Host = "127.0.0.1",
    port: _Port = 8090,
) -> None:
    keys = [parse_key("--log-key", text) for text in logs]
    cosigner = _open(session, name, folder)
    with serve(Witness(folder, cosigner, keys), host, port) as server:
        url = f"http://{host}:{server.server_address[1]}"
        sys.stdout.write(f"{cosigner.verifier} {url}\n")
        sys.stdout.flush()
        session.note(
            (
                "That line is for SUANLI_LEDGER_WITNESSES of the exchange. Stop with Ctrl-C.",
                "请将上行填入交易所的 SUANLI_LEDGER_WITNESSES。按 Ctrl-C 停止。",
            )
        )
        server.serve_forever()


def serve(witness: Witness, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that listens and is not served yet."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _IDLE_S_MAX

        def do_POST(self) -> None:
            """Answer a request."""
            length = self.headers.get("Content-Length", "")
            if self.path != _PATH:
                answer = Answer(HTTPStatus.NOT_FOUND, b"")
            elif not length.isascii() or not length.isdecimal() or int(length) > BODY_BYTES_MAX:
                answer = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"")
                self.close_connection = True
            else:
                answer = witness.add_checkpoint(self.rfile.read(int(length)))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    return ThreadingHTTPServer((host, port), Handler)


def _open(session: Session, name: str, folder: Path) -> Cosigner:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return Cosigner.open(folder / _KEY_FILE, name)
    except (CosignerError, ValueError) as error:
        said = session.say(("not usable", "不可用"))
        raise UsageProblem("--name", f"{name} ({said})", (str(error), str(error))) from error
