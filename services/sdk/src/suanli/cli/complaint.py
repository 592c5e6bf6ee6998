"""What went wrong, as field, value and what would do; never a traceback."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from suanli.cli.units import yuan

if TYPE_CHECKING:
    from suanli.cli.errors import UsageProblem
    from suanli.errors import ApiError, SignInError

Json = dict[str, Any]

# Fields of the API that hold micro-yuan; people type yuan.
_MONEY: Final = frozenset({"ask", "limit", "budget", "mobilisation_price", "amount"})
_WHOLE: Final = re.compile(r"(?<![\w.])\d+(?![\w.])")
_SENTENCE_ZH: Final = re.compile(
    r"[须应]为\s*(?P<allowed>.*?)[,，]\s*实际?为\s*(?P<value>.*)", re.DOTALL
)
_UNREACHABLE: Final = (
    "the address of a running exchange (make up, make status)",
    "运行中的交易所地址(make up、make status)",
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Prints to standard error what went wrong.

    Attributes:
        lang: ``en`` or ``zh``.
        as_json: Whether a program reads it.
    """

    lang: str
    as_json: bool

    def usage(self, error: UsageProblem) -> None:
        """Tell of wrong usage."""
        rows = [
            (one.field, self._said(one.value), self._said(one.allowed))
            for one in (error, *error.more)
        ]
        self._print(("wrong usage", "用法有误"), "usage", "", rows)

    def _said(self, text: str | tuple[str, str]) -> str:
        return text if isinstance(text, str) else text[self.lang == "zh"]

    def silence(self, url: str, cause: str) -> None:
        """Tell that the exchange did not answer."""
        row = ("--api-url", url, _UNREACHABLE[self.lang == "zh"])
        heads = ("the exchange did not answer", "交易所未响应")
        self._print(heads, "unreachable", cause, [row])

    def sign_in(self, error: SignInError) -> None:
        """Tell why nobody is signed in, or no longer."""
        pick = self.lang == "zh"
        allowed = ("granted: suanli login", "已授权:suanli login")[pick]
        row = ("login", f"{error.code} ({error.issuer})", allowed)
        self._print(("not signed in", "未登录"), error.code, error.detail, [row])

    def refusal(self, error: ApiError) -> None:
        """Tell why the exchange refused: every field, with what would do."""
        rows = [self.row(item) for item in error.errors]
        # With one field its line says all; the sentence would say it again.
        is_told = len(rows) == 1 and all(rows[0]) and not self.as_json
        self._print(("refused", "被拒绝"), error.code, "" if is_told else error.detail, rows)

    def row(self, item: Json) -> tuple[str, str, str]:
        """Return field, value and what is allowed of an error of the API, amounts in yuan."""
        field, value = str(item.get("field", "")), str(item.get("value", ""))
        allowed = str(item.get("allowed", ""))
        if self.lang == "zh" and (found := _SENTENCE_ZH.search(str(item.get("zh", "")))):
            allowed = found["allowed"]
            # The value as it is, unless the exchange describes it in words.
            value = value if value in found["value"] else found["value"]
        if field.rpartition(".")[2] in _MONEY:
            unit = "元" if self.lang == "zh" else " yuan"
            value, allowed = (
                _WHOLE.sub(lambda whole: f"{yuan(int(whole[0]))}{unit}", text)
                for text in (value, allowed)
            )
        return field, value, allowed

    def _print(
        self, heads: tuple[str, str], code: str, detail: str, rows: list[tuple[str, str, str]]
    ) -> None:
        pick = self.lang == "zh"
        if self.as_json:
            errors = [{"field": row[0], "value": row[1], "allowed": row[2]} for row in rows]
            problem = {"code": code, "detail": detail or heads[pick], "errors": errors}
            _write(json.dumps({"problem": problem}, ensure_ascii=False, indent=2) + "\n")
            return
        lines = [f"{heads[pick]} [{code}]{': ' + detail if detail else ''}"]
        labels = ("字段", "实为", "须为") if pick else ("field  ", "value  ", "allowed")
        for row in rows:
            lines += [f"  {label}  {text}" for label, text in zip(labels, row, strict=True) if text]
        _write("\n".join(lines) + "\n")


def _write(text: str) -> None:
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    # A terminal that cannot show a character must not hide what is wrong.
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
