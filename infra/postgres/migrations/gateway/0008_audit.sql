-- migrate:up
SET LOCAL lock_timeout = '30s';

-- How far the exchange's auditor is, as it told last.
CREATE TABLE audit_progress (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  told jsonb NOT NULL,
  told_at timestamptz NOT NULL
);

-- Where the entries of a settlement end in the log.
CREATE INDEX settlement_entry_settlement ON settlement_entry (settlement_id, leaf_index)
WHERE settlement_id IS NOT NULL;

-- migrate:down
