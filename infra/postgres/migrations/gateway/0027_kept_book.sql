-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The open orders of a market as a gateway had added them up, so that one that starts need not read
-- and parse all of them anew. It may be thrown away at any time.
CREATE TABLE kept_book (
  market_id text PRIMARY KEY,
  body bytea NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Nothing of this is read with a participant's eyes.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles
    WHERE rolname IN (current_schema() || '_reader', current_schema() || '_overseer')
  LOOP
    EXECUTE format('REVOKE ALL ON kept_book FROM %I', name);
  END LOOP;
END $$;

-- migrate:down
DROP TABLE kept_book;
