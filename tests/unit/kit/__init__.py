"""Unit tests of the kit."""
