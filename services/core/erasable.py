"""What a journal entry may be for that is erased: one list for all who decide it.

It is movements between the world outside and a participant's own accounts. The ledger's database
decides it once more, in `erase_entry`; a test holds the two together.
"""

ERASABLE_PURPOSES = frozenset(
    {"deposit", "withdrawal", "collateral_in", "collateral_out", "debt_collected"}
)
"""Purposes; of a reversal, what it takes back."""
