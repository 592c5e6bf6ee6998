"""Unit tests of matching, without broker and database."""
