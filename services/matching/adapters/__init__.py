"""What matching talks to: Postgres, Kafka, and the child process that solves."""
