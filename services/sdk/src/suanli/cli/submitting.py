"""Submitting all orders of a file: `suanli offers submit`, `suanli demand submit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from suanli import operations as ops
from suanli.cli import files, options, ordering, terms
from suanli.cli.session import Market, Session, Text, command

if TYPE_CHECKING:
    import typer

    from suanli.bulk import Side

_WHAT: Final[dict[Side, Text]] = {"offers": ("offers", "供给报价"), "demand": ("demands", "需求")}


def register(noun: typer.Typer, side: Side) -> None:
    """Add the command to a noun."""
    en, zh = _WHAT[side]

    def submit(
        session: Session,
        file: options.OrdersFile,
        *,
        market: Market = None,
        key: options.Key = None,
        dry_run: options.DryRun = False,
    ) -> None:
        from suanli.models import DemandTerms, OfferTerms

        found, wrong = terms.load_many(file)
        if side == "offers" and any("resource_code" not in row for row in found):
            own = own_code(session)
            found = [{"resource_code": own, **row} for row in found]
        model = OfferTerms if side == "offers" else DemandTerms
        files.check(found, model, wrong)
        found = terms.timed(found, session.instant)
        ordering.submit_many(session, side, session.market(market), found, key=key, dry_run=dry_run)

    command(
        noun,
        "submit",
        en=f"Submit all {en} of a file, any number; a verdict for each.\n\n"
        "Exit code 0: all were accepted; 1: some were refused.",
        zh=f"提交文件中的全部{zh},数量不限,逐项给出结果。\n\n退出码 0:全部受理;1:有被拒绝的。",
    )(submit)


def own_code(session: Session) -> str:
    """Return the caller's resource identification code.

    Raises:
        UsageProblem: if it has none.
    """
    me = session.client.send(ops.read("/v1/participants/me"))
    code = me.get("resource_code")
    terms.need("--resource-code", code)
    return str(code)
