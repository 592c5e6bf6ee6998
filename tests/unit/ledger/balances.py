"""What a ledger in memory says of its accounts."""

from __future__ import annotations

from services.ledger.state import cny_account
from tests.unit.ledger import world as w


def free(ledger: w.MemoryLedger, participant: str) -> int:
    return ledger.view.accounts[cny_account(participant)].free()


def posted(ledger: w.MemoryLedger, account: str) -> int:
    found = ledger.view.accounts.get(account)
    return 0 if found is None else found.credits_posted - found.debits_posted


def check_sums(ledger: w.MemoryLedger) -> None:
    accounts = ledger.view.accounts.values()
    assert sum(a.debits_posted - a.credits_posted for a in accounts) == 0
    assert sum(a.debits_pending - a.credits_pending for a in accounts) == 0
    assert all(a.free() >= 0 for a in accounts if a.floor_zero)
