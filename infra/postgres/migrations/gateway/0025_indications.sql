-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The latest indication of each market: what the round to come would do with the book of then. It
-- is no record of anything: what is lost is made again.
CREATE TABLE indication (
  market_id text PRIMARY KEY,
  seq bigint NOT NULL CHECK (seq >= 1),
  as_of timestamptz NOT NULL,
  cpu_ms bigint NOT NULL CHECK (cpu_ms >= 0),
  -- On the wall clock, for gateways that share the work.
  made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE indicative_price (
  market_id text NOT NULL REFERENCES indication,
  pool text NOT NULL,
  period bigint NOT NULL,
  price bigint NOT NULL,
  low bigint NOT NULL,
  high bigint NOT NULL,
  PRIMARY KEY (market_id, pool, period),
  CHECK (0 <= low AND low <= price AND price <= high)
);

CREATE TABLE order_likelihood (
  order_id text PRIMARY KEY,
  market_id text NOT NULL REFERENCES indication,
  filled_ppm integer NOT NULL CHECK (filled_ppm BETWEEN 0 AND 1000000),
  share_ppm integer NOT NULL CHECK (share_ppm BETWEEN 0 AND 1000000),
  books integer NOT NULL CHECK (books >= 1)
);
CREATE INDEX order_likelihood_market ON order_likelihood (market_id);

-- Prices are everybody's, likelihoods the order's owner's.
DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
BEGIN
  ALTER TABLE order_likelihood ENABLE ROW LEVEL SECURITY;
  ALTER TABLE order_likelihood FORCE ROW LEVEL SECURITY;
  EXECUTE format('CREATE POLICY service ON order_likelihood TO %I USING (true) WITH CHECK (true)',
    current_user);
  IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN (reader, overseer)) THEN
    EXECUTE format('CREATE POLICY reader ON order_likelihood FOR SELECT TO %I USING ('
      'EXISTS (SELECT FROM orders AS o WHERE o.order_id = order_likelihood.order_id))', reader);
    EXECUTE format('CREATE POLICY overseer ON order_likelihood FOR SELECT TO %I USING (true)',
      overseer);
  END IF;
END $$;

-- migrate:down
DROP TABLE order_likelihood;
DROP TABLE indicative_price;
DROP TABLE indication;
