"""How we use our libraries: Kafka, Postgres, clocks, settings, logs; no market words."""
