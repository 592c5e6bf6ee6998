"""The kit against a real broker and a real database."""
