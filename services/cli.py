"""``suanli-exchange``: the server's command line.

Every command imports what it needs when it runs, so that ``clear`` starts without Kafka.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from services.cli_participants import keys, participants
from services.cli_policies import policy
from services.cli_replay import replay
from services.cli_rounds import read_json
from services.core.errors import DomainError
from suanli.cli import run as run_line

if TYPE_CHECKING:
    from collections.abc import Coroutine

app = typer.Typer(
    help="Run and look after the Suanli Exchange. 运行与维护算力交易所。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

direct = typer.Typer(
    help="Who writes signed records to the broker. 直连 Kafka 的权限。", no_args_is_help=True
)
app.add_typer(participants, name="participants")
app.add_typer(keys, name="keys")
app.add_typer(policy, name="policy")
app.add_typer(direct, name="direct")
app.command("replay")(replay)

_T = TypeVar("_T")
Service = Literal["gateway", "matching", "ledger", "auditor"]


@app.command(
    help="Run one service until it is told to stop; settings come from the environment. "
    "运行一个服务直至收到停止指令，设置取自环境变量。",
)
def run(service: Service) -> None:
    """Run one service until it is told to stop; settings come from the environment."""
    importlib.import_module(f"services.{service}.main").main()


@app.command(
    help="Bring every service's Postgres schema up to date. 将各服务的 Postgres 模式升级到最新。",
)
def migrate(
    gateway_login: Annotated[
        str,
        typer.Option(
            envvar="SUANLI_GATEWAY_LOGIN", help="The same for the gateway. 网关的同类登录。"
        ),
    ] = "",
    matching_login: Annotated[
        str,
        typer.Option(
            envvar="SUANLI_MATCHING_LOGIN", help="The same for matching. 撮合服务的同类登录。"
        ),
    ] = "",
    ledger_login: Annotated[
        str,
        typer.Option(
            envvar="SUANLI_LEDGER_LOGIN",
            help="Login that owns nothing and may act as the ledger; it is there already. "
            "不拥有任何对象、可代行账本职责的登录，须已存在。",
        ),
    ] = "",
    auditor_login: Annotated[
        str,
        typer.Option(
            envvar="SUANLI_AUDITOR_LOGIN", help="The same for the auditor. 审计服务的同类登录。"
        ),
    ] = "",
) -> None:
    """Bring every service's Postgres schema up to date."""
    from services.kit.settings import load
    from services.logins import SchemaSettings, homes_of, prepare

    settings = load(SchemaSettings)
    # The ledger before the auditor, which reads its leaves.
    for name, login in (
        ("gateway", gateway_login),
        ("matching", matching_login),
        ("ledger", ledger_login),
        ("auditor", auditor_login),
    ):
        for home in homes_of(name, settings.schema_of, settings.matching_schema):
            done = _on_database(prepare(settings.postgres_dsn, home, login))
            typer.echo(f"{home.schema}: {', '.join(done) or 'up to date'}")


@app.command(
    help="Create the topics that are missing, and give the others the declared settings. "
    "创建缺失的主题，并使其余主题符合声明的设置。",
)
def topics() -> None:
    """Create the topics that are missing, and give the others the declared settings.

    Where SUANLI_GATEWAY_ACCESS_USER names the user by which gateways change who logs in to the
    broker, it is made too, with SUANLI_GATEWAY_ACCESS_PASSWORD.
    """
    from infra.local.topics import ensure_topics
    from services.gateway.settings import GatewaySettings
    from services.kit.log_access import LogAccess
    from services.kit.log_options import client_options
    from services.kit.settings import load

    settings = load(GatewaySettings)
    login = {
        name: value
        for name, value in client_options(settings).items()
        if name.startswith(("security", "sasl", "ssl"))
    }
    created = asyncio.run(
        ensure_topics(settings.kafka_bootstrap, settings.topic_prefix, client_options=login)
    )
    for topic in created:
        typer.echo(topic)
    typer.echo(f"{len(created)} created 个主题已创建", err=True)
    user = settings.gateway_access_user
    if user:
        password = settings.gateway_access_password.get_secret_value()
        asyncio.run(LogAccess(settings).make_administrator(user, password))
        typer.echo(f"{user}: may change logins 可更改登录凭据", err=True)


@app.command(
    help="Clear a book file without any service; write a result of format suanli.result.v1. "
    "不启动服务，出清一个订单簿文件，写出 suanli.result.v1。",
)
def clear(
    book: Annotated[Path, typer.Option(help="File of format suanli.book.v1. 订单簿文件。")],
    rules: Annotated[Path, typer.Option(help="File of format suanli.rules.v1. 规则文件。")],
    out: Annotated[
        Path | None,
        typer.Option(help="Result; standard output if left out. 结果文件，缺省为标准输出。"),
    ] = None,
    round_file: Annotated[
        Path | None,
        typer.Option(
            help="Also write the round file that `suanli verify` reads. 另写轮次文件，供校验。"
        ),
    ] = None,
) -> None:
    """Clear a book file without any service; write a result of format suanli.result.v1."""
    from services.core import codec
    from services.core.clearing.clear import clear as clear_book

    book_json, rules_json = read_json(book), read_json(rules)
    result = clear_book(codec.book_from_dict(book_json), codec.rules_from_dict(rules_json))
    result_json = codec.result_to_dict(result)
    text = json.dumps(result_json, ensure_ascii=False, indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
    if round_file is not None:
        whole = {
            "format": "suanli.round.v1",
            "book": book_json,
            "rules": rules_json,
            "result": result_json,
        }
        round_file.write_text(json.dumps(whole, ensure_ascii=False) + "\n", encoding="utf-8")


@app.command(
    help="Check the ledger: sums, balances, capacity, log. Exit code 1 if anything is wrong. "
    "检查账本：合计、余额、容量、日志。有问题则退出码为 1。",
)
def audit() -> None:
    """Check the ledger: sums, balances, capacity, log. Exit code 1 if anything is wrong."""
    from services.kit.settings import KitSettings, load
    from services.ledger.audit import audit as audit_ledger

    settings = load(KitSettings)
    report = _on_database(
        audit_ledger(settings.postgres_dsn.get_secret_value(), settings.schema_of("ledger"))
    )
    for line in report.lines():
        typer.echo(line)
    raise typer.Exit(0 if report.ok else 1)


@app.command(
    help="Make a key for the transparency log: a secret for the ledger, its verifier for all. "
    "生成透明日志密钥：私钥给账本，验证密钥公开。",
)
def log_key(
    origin: Annotated[
        str, typer.Option(help="Name of the log, SUANLI_LEDGER_ORIGIN. 日志名称。")
    ] = "suanli-exchange/ledger",
) -> None:
    """Make a key for the transparency log: a secret for the ledger, its verifier for all."""
    from services.core.tlog.notes import NoteError, VerifierKey
    from services.kit.signing import NoteSigner

    signer = NoteSigner.generate(origin)
    try:
        VerifierKey.parse(str(signer.verifier))
    except NoteError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"SUANLI_LEDGER_LOG_KEY={signer.secret_text()}")
    typer.echo(f"SUANLI_GATEWAY_LOG_KEY={signer.verifier}")
    typer.echo(f"SUANLI_AUDITOR_LOG_KEY={signer.verifier}")


@direct.command(
    help="Let a participant write signed records; shows its password this once. "
    "允许参与方写入已签名记录；密码仅显示这一次。",
)
def grant(
    participant: str,
    public_key: Annotated[
        str | None,
        typer.Option(
            help="Base64 of a public key of its, if it does not register it itself. "
            "其公钥（Base64），若不由其自行登记。"
        ),
    ] = None,
) -> None:
    """Let a participant write signed records; shows its password this once.

    A repeat makes a new password and adds the key to those that it has. Keys are registered by
    the participant itself with suanli direct register, or here.
    """
    from services.gateway import direct_access
    from services.kit.settings import KitSettings, load

    made = _on_database(direct_access.grant(load(KitSettings), participant, public_key))
    typer.echo(f"SUANLI_DIRECT_USER={made.user}")
    typer.echo(f"SUANLI_DIRECT_PASSWORD={made.password}")
    if made.key_id:
        typer.echo(f"SUANLI_DIRECT_KEY_ID={made.key_id}")
    typer.echo(f"SUANLI_DIRECT_TOPIC={made.write}")
    typer.echo(f"SUANLI_DIRECT_STATUS_TOPIC={made.read}")


@direct.command(
    help="End a participant's rights at the broker and all its signing keys. "
    "收回参与方在 Kafka 的权限及其全部签名密钥。",
)
def revoke(participant: str) -> None:
    """End a participant's rights at the broker and all its signing keys."""
    from services.gateway import direct_access
    from services.kit.settings import KitSettings, load

    had = _on_database(direct_access.revoke(load(KitSettings), participant))
    typer.echo("Revoked 已撤销" if had else "Nothing to revoke 没有可撤销的权限")


@direct.command(
    "list",
    help="Show who may write signed records. 显示可写入已签名记录的参与方。",
)
def list_grants() -> None:
    """Show who may write signed records."""
    from services.gateway import direct_access
    from services.kit.settings import KitSettings, load

    for row in _on_database(direct_access.grants(load(KitSettings))):
        rights = ", ".join(f"{right} {topic}" for right, topic in row.rights)
        typer.echo(f"{row.user}: {rights}{'' if row.can_log_in else ' (no password)'}")


def _on_database(work: Coroutine[Any, Any, _T]) -> _T:
    import asyncpg

    try:
        return asyncio.run(work)
    except (OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(
            f"The database of SUANLI_POSTGRES_DSN cannot be used: {error}\n"
            f"无法使用 SUANLI_POSTGRES_DSN 指定的数据库：{error}\n"
        )
        raise typer.Exit(3) from None


def main() -> None:
    """Run the command line; errors a person can act on show no traceback."""
    try:
        run_line(app, "suanli-exchange")
    except DomainError as error:
        sys.stderr.write(f"{error.message.en}\n{error.message.zh}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
