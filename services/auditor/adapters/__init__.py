"""What the auditor talks to: Postgres, and the checker in a process of its own."""
