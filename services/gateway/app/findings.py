"""Findings as callers may see them: that something is wrong is public, whose money is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.api import FindingView
    from services.gateway.ports import Principal

# What names no participant and no amount.
_PUBLIC = frozenset({"severity", "leaf_index", "round_id", "size", "root", "rule"})
# The auditor's sentences name places only; the ledger's may name whose money and how much.
_PLAIN = ("journal.", "head.", "round.")
_EN = "A rule of the ledger was broken; operator and regulator see which."
_ZH = "账本规则被违反；详情由运营方与监管方查看。"


def shown(view: FindingView, principal: Principal | None) -> FindingView:
    """Return a finding as a caller may see it.

    Args:
        view: The finding, whole.
        principal: Who asks, ``None`` if that was not said.
    """
    is_of_rounds = view.kind.startswith("round_")
    if is_of_rounds or (principal is not None and principal.sees_all):
        return view
    summary = view.summary
    params = {name: value for name, value in summary.params.items() if name in _PUBLIC}
    update: dict[str, object] = {"params": params}
    if not summary.code.startswith(_PLAIN):
        update |= {"en": _EN, "zh": _ZH}
    return view.model_copy(update={"summary": summary.model_copy(update=update), "problems": ()})
