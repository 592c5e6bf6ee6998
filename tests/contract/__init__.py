"""The wire contract: schemas, vectors, generated files."""
