"""`suanli direct`: orders by signed records straight to the broker, and the keys that sign them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from suanli import operations as ops
from suanli.cli import logins, options, ordering, terms, words
from suanli.cli.errors import UsageProblem, readable
from suanli.cli.render import Column, print_facts, print_list
from suanli.cli.session import (
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    Market,
    Output,
    Session,
    argument,
    command,
    group,
    option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from suanli.direct import DirectAccess, DirectOrder, DirectOutcome
    from suanli.signing import SigningKey

Json = dict[str, Any]
_ACCESS_BYTES_MAX: Final = 10_000

_KeyFile = Annotated[
    Path,
    option(
        "--key-file",
        en="File of the signing key (suanli direct keygen).",
        zh="签名密钥文件(suanli direct keygen)。",
        envvar="SUANLI_DIRECT_KEY_FILE",
    ),
]
_Access = Annotated[
    Path | None,
    option(
        "--access",
        en="File of SUANLI_DIRECT_... lines as the grant prints them; else the environment.",
        zh="授权时打印的 SUANLI_DIRECT_... 各行所在文件;默认取自环境变量。",
        envvar="SUANLI_DIRECT_ACCESS",
    ),
]
_Participant = logins.Participant
_KEYS: Final[tuple[Column, ...]] = (
    words.text_column("key_id", ("key", "密钥"), "key_id"),
    words.text_column("public_key", ("public key", "公钥"), "public_key"),
    words.time_column("registered_at", ("registered", "登记时间"), "registered_at"),
    words.time_column("revoked_at", ("revoked", "撤销时间"), "revoked_at"),
)
_ANSWERS: Final[tuple[Column, ...]] = (
    words.text_column("idempotency_key", ("idempotency key", "幂等键"), "idempotency_key"),
    Column(
        "place",
        ("record", "记录"),
        lambda item: f"{item['topic']}/{item['partition']} @ {item['offset']}",
    ),
    words.text_column("outcome", ("outcome", "结果"), "outcome"),
    Column(
        "order_id",
        ("order", "订单"),
        lambda item: str((item.get("receipt") or {}).get("order_id", "")),
    ),
    Column(
        "code",
        ("refused", "拒绝原因"),
        lambda item: str((item.get("reason") or {}).get("code", "")),
    ),
    Column("reason", ("reason", "原因"), words.reason, wraps=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "direct",
        en="Orders by signed records straight to Kafka, for many a second.",
        zh="签名记录直连 Kafka 下单(高频)。",
    )
    command(
        noun, "keygen", en="Make a signing key in a new file (0600).", zh="生成签名密钥文件(0600)。"
    )(_keygen)
    command(
        noun,
        "register",
        en="Let the exchange know a signing key's public half.",
        zh="向交易所登记签名公钥。",
    )(_register)
    command(noun, "keys", en="List the signing keys.", zh="列出签名密钥。")(_keys)
    command(noun, "revoke", en="Revoke a signing key for good.", zh="永久撤销签名密钥。")(_revoke)
    logins.register(noun)
    command(
        noun,
        "send",
        en="Send the orders of a file and print what became of each.\n\n"
        "Exit code 0: all accepted; 1: one was refused; 3: the broker did not answer.",
        zh="发送文件中的订单并打印各自结果。\n\n退出码 0:全部受理;1:有被拒绝;3:无应答。",
    )(_send)
    command(
        noun, "status", en="Print the answers of the last seven days.", zh="打印最近七天的应答。"
    )(_status)


def _keygen(
    session: Session,
    file: Annotated[
        Path, argument("FILE", en="File that is not there yet.", zh="尚不存在的文件。")
    ],
) -> None:
    with _troubles(session):
        from suanli.signing import SigningKey

        key = SigningKey.generate()
        key.save(file)
    _print_key(session, {"file": str(file), "key_id": key.key_id, "public_key": key.public_text})


def _print_key(session: Session, told: Json) -> None:
    if session.output is Output.TABLE:
        print_facts(session, [(name, str(value)) for name, value in told.items() if value])
        return
    columns = [words.text_column(name, (name, name), name) for name in told]
    if session.output is Output.JSON:
        session.print_json(told)
    else:
        print_list(session, [told], columns, empty=("", ""))


def _register(session: Session, key_file: _KeyFile, participant: _Participant = None) -> None:
    with _troubles(session):
        key = _loaded(key_file)
    owner = participant or logins.own_id(session)
    body = {"public_key": key.public_text, "proof": key.proof(owner)}
    path = f"/v1/participants/{owner}/signing-keys"
    # Again, it registers nothing new, so it may be repeated under its own name.
    _print_key(session, session.client.send(ops.Operation("POST", path, body=body)))


def _keys(session: Session, participant: _Participant = None) -> None:
    owner = participant or logins.own_id(session)
    found = session.client.send(ops.read(f"/v1/participants/{owner}/signing-keys"))
    print_list(session, found, _KEYS, empty=("No signing keys.", "没有签名密钥。"))


def _revoke(
    session: Session,
    key: Annotated[str, argument("KEY", en="Key of the list, dk_...", zh="列表中的密钥,dk_...")],
    participant: _Participant = None,
) -> None:
    owner = participant or logins.own_id(session)
    path = f"/v1/participants/{owner}/signing-keys/{key}"
    _print_key(session, session.client.send(ops.Operation("DELETE", path)))


def _send(
    session: Session,
    file: Annotated[Path, argument("FILE", en="YAML, JSON or CSV of terms.", zh="订单条款文件。")],
    key_file: _KeyFile,
    access: _Access = None,
    market: Market = None,
    key: options.Key = None,
) -> None:
    from suanli.models import DemandTerms, OfferTerms

    with _troubles(session):
        from suanli.direct import DirectOrder

        entered = _entered(access)
        signing = _loaded(key_file)
        model = OfferTerms if entered.direct_topic == "offers.direct" else DemandTerms
    found = terms.timed(terms.load(file, model), session.instant)
    wanted = found if isinstance(found, list) else [found]
    market_id = session.market(market)
    orders = [
        DirectOrder(market_id, one, f"{key}-{at}" if key else ops.new_key())
        for at, one in enumerate(wanted)
    ]
    with _troubles(session):
        outcomes = asyncio.run(_sent(session, entered, signing, orders))
    ordering.print_results(session, [_result(one) for one in outcomes])
    unknown = sum(one.error is not None and not hasattr(one.error, "problem") for one in outcomes)
    refused = sum(one.error is not None for one in outcomes) - unknown
    accepted = len(outcomes) - refused - unknown
    session.note(
        (
            f"{accepted} accepted, {refused} refused, {unknown} unanswered",
            f"{accepted} 项已受理,{refused} 项被拒绝,{unknown} 项无应答",
        )
    )
    if unknown:
        raise typer.Exit(EXIT_UNREACHABLE)
    if refused:
        raise typer.Exit(EXIT_REFUSED)


async def _sent(
    session: Session, access: DirectAccess, key: SigningKey, orders: Sequence[DirectOrder]
) -> list[DirectOutcome]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from suanli.direct import DirectProducer

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(
        *columns,
        console=session.notes,
        transient=True,
        disable=not session.notes.is_terminal,
    )
    found = []
    with progress:
        task = progress.add_task(session.say(("Sending", "发送")), total=len(orders))
        async with DirectProducer(access, key) as producer:
            async for outcome in producer.send_many(orders):
                found.append(outcome)
                progress.advance(task)
    return sorted(found, key=lambda one: one.index)


def _result(outcome: DirectOutcome) -> Json:
    row: Json = {"index": outcome.index, "idempotency_key": outcome.idempotency_key}
    if outcome.receipt is not None:
        return row | {"receipt": outcome.receipt, "problem": None}
    told = getattr(outcome.error, "problem", None)
    if told is not None:
        return row | {"receipt": None, "problem": told()}
    detail = str(outcome.error).partition("\n")[0]
    return row | {"receipt": None, "problem": {"code": "direct.unanswered", "detail": detail}}


def _status(
    session: Session,
    access: _Access = None,
    limit: options.Limit = ordering.LIMIT,
) -> None:
    with _troubles(session):
        found = asyncio.run(_answers(_entered(access)))
    newest_first = iter(found[::-1])
    shown = ordering.take(session, newest_first, limit)
    print_list(session, shown, _ANSWERS, empty=("No answers yet.", "暂无应答。"))


async def _answers(access: DirectAccess) -> list[Json]:
    from suanli.direct import read_answers

    return [answer async for answer in read_answers(access)]


def _loaded(file: Path) -> SigningKey:
    from suanli.signing import SigningKey

    return SigningKey.load(file)


def _entered(file: Path | None) -> DirectAccess:
    from suanli.direct import DirectAccess

    if file is None:
        return DirectAccess.of()
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        lines = file.read_text(encoding="utf-8")[:_ACCESS_BYTES_MAX].splitlines()
    except (OSError, UnicodeDecodeError) as error:
        allowed = readable(error)
        raise UsageProblem("--access", str(file), allowed) from error
    if mode & 0o077:
        allowed = (f"of its owner alone: chmod 600 {file}", f"仅所有者可读:chmod 600 {file}")
        raise UsageProblem("--access", f"{file} (mode {mode:04o})", allowed)
    told = [line.strip().removeprefix("export ").partition("=") for line in lines]
    # What is set in the environment goes before the file, as with all settings.
    return DirectAccess.of({name: value for name, _, value in told} | dict(os.environ))


@contextlib.contextmanager
def _troubles(session: Session) -> Iterator[None]:
    """Turn what can go wrong with keys and the broker into lines and exit codes."""
    # Its lines would stand among ours; the error tells the same.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    from suanli.direct_access import DirectError
    from suanli.signing import SigningKeyError

    try:
        yield
    except ModuleNotFoundError as error:
        allowed = ("installed: pip install suanli[kafka]", "已安装:pip install suanli[kafka]")
        raise UsageProblem(str(error.name), session.say(("absent", "缺失")), allowed) from error
    except (SigningKeyError, DirectError) as error:
        raise UsageProblem(error.field, error.value, error.allowed) from error
