"""The auditor: verifies every round again from its published file."""
