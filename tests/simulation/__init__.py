"""Several rounds or days, with seeded faults."""
