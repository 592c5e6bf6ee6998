"""How the ledger reaches its database."""
