"""Wrong usage, told before anything is sent."""

from __future__ import annotations

import json
from typing import Final

from suanli.errors import SuanliError

# What the system says of files in the language of its own settings, if at all in Chinese.
_FILES: Final[tuple[tuple[type[Exception], tuple[str, str]], ...]] = (
    (FileNotFoundError, ("there is none", "不存在")),
    (FileExistsError, ("there is one already", "已存在")),
    (PermissionError, ("not permitted", "无权限")),
    (IsADirectoryError, ("it is a folder", "是文件夹")),
    (NotADirectoryError, ("a part of it is no folder", "其中有一级不是文件夹")),
    (UnicodeDecodeError, ("it is not UTF-8", "不是 UTF-8")),
)


def why(error: Exception) -> tuple[str, str]:
    """Return why a file could not be read or written, in English and Chinese."""
    if isinstance(error, json.JSONDecodeError):
        place = (error.lineno, error.colno)
        return (str(error), "JSON 第 {} 行第 {} 列有误".format(*place))
    known = next((said for kind, said in _FILES if isinstance(error, kind)), None)
    told = getattr(error, "strerror", None) or str(error)
    return known or (told, told)


def because(what: tuple[str, str], error: Exception) -> tuple[str, str]:
    """Return what would do, and why what was found does not."""
    en, zh = why(error)
    return (f"{what[0]} ({en})", f"{what[1]}({zh})")


def readable(error: Exception) -> tuple[str, str]:
    """Return that a file must be readable, and why this one is not."""
    return because(("a readable file", "可读取的文件"), error)


def writable(error: Exception) -> tuple[str, str]:
    """Return that a file must be writable, and why this one is not."""
    return because(("a file that can be written", "可写入的文件"), error)


class UsageProblem(SuanliError):  # noqa: N818 - the exchange may be asked again: a problem
    """What was typed cannot be meant.

    Attributes:
        field: The option or the field of a file.
        value: What was found; in English and Chinese if it is told in words.
        allowed: What would do, in English and Chinese.
        more: Further ones of the same file.
    """

    def __init__(self, field: str, value: str | tuple[str, str], allowed: tuple[str, str]) -> None:
        """Keep the parts; the text says ", was ..."."""
        shown = value if isinstance(value, str) else value[0]
        super().__init__(f"{field}: must be {allowed[0]}, was {shown}")
        self.field = field
        self.value = value
        self.allowed = allowed
        self.more: tuple[UsageProblem, ...] = ()
