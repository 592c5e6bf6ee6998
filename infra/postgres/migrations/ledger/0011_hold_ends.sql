-- migrate:up
SET LOCAL lock_timeout = '30s';

-- When the last version of a demand ends that money was held for: its hold ends then, and is
-- expired by the first round after that. Holds of before have none, and are released as ever.
ALTER TABLE demand_hold ADD COLUMN expires_at timestamptz;
DO $$
DECLARE
  writer text := current_schema() || '_writer';
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = writer) THEN
    EXECUTE format('GRANT UPDATE (expires_at) ON demand_hold TO %I', writer);
  END IF;
END $$;

-- migrate:down
ALTER TABLE demand_hold DROP COLUMN expires_at;
