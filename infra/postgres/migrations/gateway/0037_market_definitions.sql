-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Every definition of a market that was told, so that its zones, links and rules of any day can be
-- read. Of a market from before this the one in force is known, and those that follow it.
CREATE TABLE market_definition (
  market_id text NOT NULL,
  log_offset bigint NOT NULL,
  body jsonb NOT NULL,
  defined_at timestamptz NOT NULL,
  PRIMARY KEY (market_id, log_offset)
);
INSERT INTO market_definition (market_id, log_offset, body, defined_at)
SELECT market_id, log_offset, body, defined_at FROM market;

-- migrate:down
DROP TABLE market_definition;
