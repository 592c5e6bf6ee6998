"""Properties over generated input, against oracles."""
