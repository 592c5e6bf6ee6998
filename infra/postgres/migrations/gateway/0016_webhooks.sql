-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Endpoints of participants that are told what streams tell, each from where it is.
CREATE TABLE webhook (
  webhook_id text PRIMARY KEY CHECK (webhook_id ~ '^wh_[a-z2-7]{16}$'),
  participant_id text NOT NULL,
  -- Of the regulator and the operator, who are told everybody's orders.
  sees_all boolean NOT NULL,
  url text NOT NULL CHECK (length(url) BETWEEN 1 AND 1000),
  events text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 6 AND events <@ ARRAY[
    'orders.status', 'orders.fill', 'rounds.sealed', 'rounds.cleared', 'rounds.closed',
    'prices.prices']),
  market_id text,
  description text NOT NULL,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
  disabled_because text CHECK (disabled_because IN ('owner', 'failing', 'gone')),
  -- The last number of the feed that it took, or that it does not want.
  last_seq bigint NOT NULL CHECK (last_seq >= 0),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since timestamptz,
  next_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((state = 'disabled') = (disabled_because IS NOT NULL)),
  CHECK ((failures = 0) = (failing_since IS NULL))
);
CREATE INDEX webhook_owner ON webhook (participant_id);

-- What it took only goes forward, so an old worker cannot take a newer one's place.
CREATE FUNCTION keep_webhook_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.last_seq < OLD.last_seq THEN
    RAISE EXCEPTION 'webhook %: last_seq must be at least %, was %',
      OLD.webhook_id, OLD.last_seq, NEW.last_seq USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER forward BEFORE UPDATE OF last_seq ON webhook
  FOR EACH ROW EXECUTE FUNCTION keep_webhook_forward();

-- Messages are signed with it, so it is kept as it is; no request reads it.
CREATE TABLE webhook_secret (
  webhook_id text NOT NULL REFERENCES webhook ON DELETE CASCADE,
  secret bytea NOT NULL CHECK (length(secret) BETWEEN 24 AND 64),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null for the one in force.
  valid_until timestamptz,
  PRIMARY KEY (webhook_id, created_at)
);
CREATE UNIQUE INDEX webhook_secret_in_force ON webhook_secret (webhook_id)
WHERE valid_until IS NULL;

-- What was sent, the last attempt of each message.
CREATE TABLE webhook_delivery (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  webhook_id text NOT NULL REFERENCES webhook ON DELETE CASCADE,
  message_id text NOT NULL,
  type text NOT NULL,
  -- Of the feed; null of what is of no feed.
  seq bigint,
  attempts integer NOT NULL CHECK (attempts >= 1),
  is_taken boolean NOT NULL,
  status integer,
  error text,
  duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
  first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (webhook_id, message_id)
);
CREATE INDEX webhook_delivery_latest ON webhook_delivery (webhook_id, number DESC);
CREATE INDEX webhook_delivery_age ON webhook_delivery (last_at);

DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook', 'webhook_secret', 'webhook_delivery'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY service ON %I TO %I USING (true) WITH CHECK (true)',
      name, current_user);
  END LOOP;
  IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN (reader, overseer)) THEN
    EXECUTE format('CREATE POLICY reader ON webhook FOR SELECT TO %I '
      'USING (sees(participant_id))', reader);
    EXECUTE format('CREATE POLICY reader ON webhook_delivery FOR SELECT TO %I USING ('
      'EXISTS (SELECT FROM webhook AS w WHERE w.webhook_id = webhook_delivery.webhook_id))',
      reader);
    FOREACH name IN ARRAY ARRAY['webhook', 'webhook_delivery'] LOOP
      EXECUTE format('CREATE POLICY overseer ON %I FOR SELECT TO %I USING (true)',
        name, overseer);
    END LOOP;
    EXECUTE format('REVOKE ALL ON webhook_secret FROM %I, %I', reader, overseer);
  END IF;
END $$;

-- migrate:down
