"""`suanli log`: the transparency log's head and proofs, verified here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.check_log import Key, LogError, check_proof, read_head
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, print_details, print_list
from suanli.cli.session import (
    EXIT_REFUSED,
    Output,
    Session,
    argument,
    command,
    group,
    option,
)

if TYPE_CHECKING:
    from suanli.check_log import Head, Proved

Json = dict[str, Any]

LogKey = Annotated[
    str | None,
    option(
        "--log-key",
        en="Verifier key of the log; without it the exchange is asked, and so believed.",
        zh="日志的验证公钥;未给出时向交易所查询,即信任交易所。",
        envvar="SUANLI_LOG_KEY",
    ),
]
Witnesses = Annotated[
    list[str] | None,
    option(
        "--witness",
        en="Verifier key of a witness that must have cosigned; may be repeated.",
        zh="必须共同签名的见证方公钥;可重复。",
    ),
]
KEY_ALLOWED: Final = ("name+id+base64 of an Ed25519 key", "Ed25519 公钥 name+id+base64")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    log = group(
        app,
        "log",
        en="The transparency log: its head, proofs of entries.",
        zh="透明日志:检查点与条目证明。",
    )
    command(log, "head", en="Show the latest signed head.", zh="显示最新的已签名检查点。")(_head)
    command(
        log,
        "key",
        en="Show the log's key as the exchange tells it; note it elsewhere.",
        zh="显示交易所公布的日志公钥;请另行记录。",
    )(_key)
    command(
        log,
        "proof",
        en="Download the proof that an entry is in the log, verified; it stays valid offline.",
        zh="下载并验证条目在日志中的证明;此后可离线验证。",
    )(_proof)
    command(
        log,
        "export",
        en="Download all that `suanli audit --offline` reads (regulator, operator).",
        zh="下载 `suanli audit --offline` 所需的全部内容(监管方、运营方)。",
    )(_export)
    command(
        log,
        "verify",
        en="Verify proof files offline. Exit code 0: all right; 1: a problem.",
        zh="离线验证证明文件。退出码 0:通过;1:发现问题。",
    )(_verify)


def log_key(session: Session, given: str | None) -> Key:
    """Return the log's key: the given one, or the one that the exchange says.

    Raises:
        UsageProblem: if what was given is no key.
        ApiError: if the exchange has none.
    """
    text = given
    if text is None:
        text = str(session.client.send(ops.read("/v1/log/key"))["key"])
        session.note(
            (
                f"The key is the exchange's own word; note it and set SUANLI_LOG_KEY: {text}",
                f"公钥仅凭交易所所述;请记录并设置 SUANLI_LOG_KEY:{text}",
            )
        )
    return parse_key("--log-key", text)


def parse_key(field: str, text: str) -> Key:
    """Return a key.

    Raises:
        UsageProblem: if it is none.
    """
    try:
        return Key.parse(text)
    except LogError as error:
        raise UsageProblem(field, text[:80], KEY_ALLOWED) from error


def _key(session: Session) -> None:
    found = session.client.send(ops.read("/v1/log/key"))
    if session.output is Output.JSON:
        session.print_json(found)
    elif session.output is Output.CSV:
        print_details(session, found, [(name, (name, name), found[name]) for name in found])
    else:
        sys.stdout.write(f"{found['key']}\n")


def _head(session: Session, key: LogKey = None, witness: Witnesses = None) -> None:
    wanted = [parse_key("--witness", text) for text in witness or ()]
    note = session.client.download("/v1/log/checkpoint").decode()
    try:
        head = _cosigned(read_head(note, log_key(session, key), wanted), wanted)
    except LogError as error:
        raise _problem(session, "head", error) from error
    _show(session, [_head_json(head)])


def _proof(
    session: Session,
    entry: Annotated[
        str, argument("ENTRY", en="Entry id, or its place in the log.", zh="条目编号或其序号。")
    ],
    out: Annotated[
        Path | None, option("--out", en="File; ENTRY.tlog-proof if left out.", zh="输出文件。")
    ] = None,
    key: LogKey = None,
    witness: Witnesses = None,
) -> None:
    wanted = [parse_key("--witness", text) for text in witness or ()]
    content = session.client.download(f"/v1/log/proof/{entry}")
    file = out or Path(f"{entry}.tlog-proof")
    try:
        proved = check_proof(content, log_key(session, key), wanted)
        _cosigned(proved.head, wanted)
    except LogError as error:
        raise _problem(session, entry, error) from error
    file.write_bytes(content)
    _show(session, [_proved_json(str(file), proved)])


def _export(
    session: Session,
    folder: Annotated[Path, argument("DIR", en="New folder.", zh="新目录。", file_okay=False)],
) -> None:
    from suanli.cli import offline

    offline.export(session, folder)


def _verify(
    session: Session,
    files: Annotated[
        list[Path], argument("FILE...", en="Proof files.", zh="证明文件。", exists=True)
    ],
    key: LogKey = None,
    witness: Witnesses = None,
) -> None:
    if key is None:
        raise UsageProblem("--log-key", session.say(("absent", "缺失")), KEY_ALLOWED)
    known = parse_key("--log-key", key)
    wanted = [parse_key("--witness", text) for text in witness or ()]
    rows = []
    for file in files:
        try:
            proved = check_proof(file.read_bytes(), known, wanted)
            _cosigned(proved.head, wanted)
        except LogError as error:
            rows.append({"file": str(file), "ok": False, "problem": str(error)})
        else:
            rows.append(_proved_json(str(file), proved))
    _show(session, rows)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(EXIT_REFUSED)


def _cosigned(head: Head, wanted: list[Key]) -> Head:
    missing = {key.name for key in wanted} - {name for name, _ in head.witnesses}
    if missing:
        raise LogError(f"a head must be cosigned by {', '.join(sorted(missing))}, was not")
    return head


def _problem(session: Session, subject: str, error: LogError) -> typer.Exit:
    _show(session, [{"file": subject, "ok": False, "problem": str(error)}])
    return typer.Exit(EXIT_REFUSED)


def _csv_column(name: str) -> Column:
    return Column(name, (name, name), lambda row: str(row.get(name, "")), lambda row: row.get(name))


_CSV: Final[tuple[Column, ...]] = (
    *map(_csv_column, ("ok", "file", "index", "origin", "size", "root")),
    Column(
        "cosigned",
        ("cosigned", "cosigned"),
        lambda row: " ".join(item["witness"] for item in row.get("cosigned", ())),
    ),
    _csv_column("problem"),
)


def _head_json(head: Head) -> Json:
    return {
        "ok": True,
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "cosigned": [
            {"witness": name, "at": datetime.fromtimestamp(time, UTC).isoformat()}
            for name, time in head.witnesses
        ],
    }


def _proved_json(file: str, proved: Proved) -> Json:
    return {
        "file": file,
        "index": proved.index,
        "entry": proved.entry,
        "logged": proved.logged.hex() if proved.entry is None else None,
        **_head_json(proved.head),
    }


def _show(session: Session, rows: list[Json]) -> None:
    if session.output is Output.JSON:
        session.print_json(rows if len(rows) != 1 else rows[0])
        return
    if session.output is Output.CSV:
        print_list(session, rows, _CSV, empty=("", ""))
        return
    for row in rows:
        sys.stdout.write(session.say(_sentence(row)) + "\n")


def _sentence(row: Json) -> tuple[str, str]:
    if not row["ok"]:
        return (f"NOT VERIFIED {row['file']}: {row['problem']}",
                f"未通过 {row['file']}:{row['problem']}")  # fmt: skip
    witnesses = ", ".join(item["witness"] for item in row["cosigned"])
    head_en = f"head of {row['size']} entries of {row['origin']}, root {row['root']}"
    head_zh = f"{row['origin']} 含 {row['size']} 条条目的检查点,根 {row['root']}"
    if witnesses:
        head_en, head_zh = f"{head_en}, cosigned by {witnesses}", f"{head_zh},见证方 {witnesses}"
    if "index" not in row:
        return f"verified: {head_en}", f"通过:{head_zh}"
    entry = row["entry"]
    if entry is None:
        told = (f"log entry {row['logged']}", f"日志条目 {row['logged']}")
    else:
        names = ("entry_id", "kind", "purpose", "amount", "unit")
        facts = " ".join(str(entry.get(name, "?")) for name in names)
        told = (f"entry {facts}", f"条目 {facts}")
    return (f"verified {row['file']}: {told[0]} is number {row['index']} under the {head_en}",
            f"通过 {row['file']}:{told[1]} 为第 {row['index']} 条,属于 {head_zh}")  # fmt: skip
