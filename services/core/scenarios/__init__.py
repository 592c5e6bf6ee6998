"""Scenarios played by the functional core alone: no log, no database, no service."""
