-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Orders to erase what an entry says, and what became of them; the order and its outcome come on
-- different topics, so whichever comes first makes the row.
CREATE TABLE erasure (
  erasure_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  entry_id text NOT NULL,
  reason text,
  ordered_by text,
  ordered_at timestamptz,
  leaf_index bigint CHECK (leaf_index >= 0),
  commitment text CHECK (length(commitment) = 64),
  erased_at timestamptz,
  refusal jsonb,
  CHECK (erased_at IS NULL OR refusal IS NULL)
);
CREATE INDEX erasure_entry ON erasure (entry_id);

-- Read by the operator and the regulator alone, by the gateway's own hand.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles
    WHERE rolname IN (current_schema() || '_reader', current_schema() || '_overseer')
  LOOP
    EXECUTE format('REVOKE ALL ON erasure FROM %I', name);
  END LOOP;
END
$$;

-- migrate:down
