"""`suanli config`: profiles of exchanges and keys, so that no command needs to name them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from suanli import profiles
from suanli.check_print import language
from suanli.cli.errors import UsageProblem
from suanli.cli.render import print_list
from suanli.cli.session import Output, Session, argument, command, group, option
from suanli.cli.words import text_column

Json = dict[str, Any]

_SHOWN: Final = 6
_NAMES: Final = ", ".join(profiles.SETTINGS)
_COLUMNS: Final = (
    text_column("profile", ("profile", "档案"), "profile"),
    text_column("in_use", ("in use", "使用中"), "in_use"),
    text_column("api_url", ("exchange", "交易所"), "api_url"),
    text_column("api_key", ("key", "密钥"), "api_key"),
    text_column("market", ("market", "市场"), "market"),
    text_column("lang", ("language", "语言"), "lang"),
)
Setting = Annotated[str, argument("SETTING", en=f"One of {_NAMES}.", zh=f"{_NAMES} 之一。")]
Within = Annotated[
    str | None,
    option("--in", en="Profile; by default the one in use.", zh="档案;默认为使用中的。"),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    noun = group(
        app,
        "config",
        en="Keep exchanges and keys as profiles, such as one for the sandbox.",
        zh="以档案保存交易所与密钥,例如沙箱。",
    )
    command(noun, "list", en="List the profiles; keys are cut.", zh="列出档案;密钥仅示开头。")(
        _list
    )
    command(noun, "get", en="Print a setting, whole.", zh="输出一项设置的全文。")(_get)
    command(
        noun,
        "set",
        en="Set a setting; a new profile comes to be. Without VALUE, or as -, it is asked for.",
        zh="设置一项;档案不存在时新建。缺 VALUE 或为 - 时从输入读取。",
    )(_set)
    command(noun, "unset", en="Remove a setting.", zh="删除一项设置。")(_unset)
    command(noun, "use", en="Use a profile from now on.", zh="改用某档案。")(_use)


def _list(session: Session) -> None:
    found = profiles.load()
    rows = [
        {"profile": name, "in_use": "*" if name == found.current else ""}
        | {key: settings.get(key) for key in profiles.SETTINGS}
        | {"api_key": _cut(settings.get("api_key"))}
        for name, settings in sorted(found.settings.items())
    ]
    print_list(
        session,
        rows,
        _COLUMNS,
        empty=(
            "No profile yet: suanli config set api_url http://127.0.0.1:8000",
            "尚无档案:suanli config set api_url http://127.0.0.1:8000",
        ),
    )


def _get(session: Session, setting: Setting, within: Within = None) -> None:
    _known(setting)
    value = profiles.load().of(within).get(setting)
    if session.output is Output.JSON:
        session.print_json({setting: value})
        return
    if value is None:
        raise UsageProblem(
            "SETTING", setting, ("one that is set: suanli config list", "已设置的项,见 config list")
        )
    typer.echo(value)


def _set(
    _session: Session,
    setting: Setting,
    value: Annotated[str | None, argument("[VALUE]", en="Its value.", zh="其值。")] = None,
    within: Within = None,
) -> None:
    _known(setting)
    if value in {None, "-"}:
        # A key on the command line would stay in the shell's history.
        value = str(typer.prompt(setting, hide_input=setting == "api_key", err=True))
    assert value is not None
    _check(setting, value)
    found = profiles.load()
    profiles.save(found.with_setting(within or found.current, setting, value))


def _unset(_session: Session, setting: Setting, within: Within = None) -> None:
    _known(setting)
    found = profiles.load()
    profiles.save(found.with_setting(within or found.current, setting, None))


def _use(
    _session: Session,
    name: Annotated[str, argument("PROFILE", en="Its name.", zh="档案名。")],
) -> None:
    found = profiles.load()
    if name not in found.settings:
        known = ", ".join(sorted(found.settings)) or "-"
        raise UsageProblem("PROFILE", name, (f"one of {known}", f"{known} 之一"))
    profiles.save(found.using(name))


def _known(setting: str) -> None:
    if setting not in profiles.SETTINGS:
        raise UsageProblem("SETTING", setting, (f"one of {_NAMES}", f"{_NAMES} 之一"))


def _check(setting: str, value: str) -> None:
    if setting == "api_url" and not value.startswith(("http://", "https://")):
        wanted = "an address such as http://127.0.0.1:8000"
        raise UsageProblem("VALUE", value, (wanted, "形如 http://127.0.0.1:8000 的地址"))
    if setting == "lang" and language(value) != value:
        raise UsageProblem("VALUE", value, ("en or zh", "en 或 zh"))
    if not value.strip():
        raise UsageProblem("VALUE", value, ("not empty", "非空"))


def _cut(key: str | None) -> str | None:
    return f"{key[:_SHOWN]}…" if key else None
