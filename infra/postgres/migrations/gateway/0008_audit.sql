-- migrate:up
SET LOCAL lock_timeout = '30s';

-- How far the exchange's auditor is, as it told last.
CREATE TABLE audit_progress (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  told jsonb NOT NULL,
  told_at timestamptz NOT NULL
);

-- migrate:down
