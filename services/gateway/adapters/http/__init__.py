"""The HTTP API: bodies in, use cases, bodies out; every refusal is problem+json."""
