"""Use cases of matching: take records in, freeze a round, publish what it cleared."""
