"""The gateway's ports on real things: HTTP, Kafka, Postgres."""
