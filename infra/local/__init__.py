"""The embedded stack: a real Kafka and a real PostgreSQL on one machine, without Docker."""
