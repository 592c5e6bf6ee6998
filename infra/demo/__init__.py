"""The demo: one market day from real traces, through the real stack."""
