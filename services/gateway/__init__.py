"""The gateway: HTTP in, events out, and the read side that it serves."""
