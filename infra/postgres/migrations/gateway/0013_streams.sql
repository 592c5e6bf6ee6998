-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What streams tell, in the order of commits: whoever writes takes its numbers from stream_head
-- and holds that row until its commit, so a reader that saw a number saw all below it.
CREATE TABLE stream_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- Which numbering this is: a schema that was made anew gives the numbers to other events.
  feed text NOT NULL DEFAULT substr(md5(gen_random_uuid()::text), 1, 8)
  CHECK (feed ~ '^[0-9a-f]{8}$'),
  next_seq bigint NOT NULL DEFAULT 1 CHECK (next_seq >= 1),
  -- Older ones are deleted.
  kept_from bigint NOT NULL DEFAULT 1 CHECK (kept_from >= 1)
);
INSERT INTO stream_head DEFAULT VALUES;

-- A topic that is read again for the sake of another table is not told again.
CREATE TABLE stream_source (
  topic text NOT NULL,
  partition integer NOT NULL CHECK (partition >= 0),
  next_offset bigint NOT NULL CHECK (next_offset >= 0),
  PRIMARY KEY (topic, partition)
);

CREATE TABLE stream_event (
  seq bigint PRIMARY KEY CHECK (seq >= 1),
  -- The event that it follows from; of copies on the log the first one counts.
  source text NOT NULL UNIQUE,
  stream text NOT NULL CHECK (stream IN ('orders', 'rounds', 'prices')),
  kind text NOT NULL,
  market_id text NOT NULL,
  -- Whose it is; null if anybody may see it.
  participant_id text CHECK ((participant_id IS NULL) = (stream <> 'orders')),
  -- The order, the round or the pool.
  subject text NOT NULL,
  body jsonb NOT NULL,
  told_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stream_event_owner ON stream_event (stream, participant_id, seq);

DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
BEGIN
  ALTER TABLE stream_event ENABLE ROW LEVEL SECURITY;
  ALTER TABLE stream_event FORCE ROW LEVEL SECURITY;
  EXECUTE format('CREATE POLICY service ON stream_event TO %I USING (true) WITH CHECK (true)',
    current_user);
  IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN (reader, overseer)) THEN
    EXECUTE format('CREATE POLICY reader ON stream_event FOR SELECT TO %I '
      'USING (participant_id IS NULL OR sees(participant_id))', reader);
    EXECUTE format('CREATE POLICY overseer ON stream_event FOR SELECT TO %I USING (true)',
      overseer);
  END IF;
END $$;

-- migrate:down
