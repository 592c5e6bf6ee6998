"""One service or adapter on a real Kafka and a real Postgres."""
