"""The ledger: holds, journal, settlement, and the transparency log."""
