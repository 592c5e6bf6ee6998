-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The pauses that circuit breakers brought about, as the log tells them.
CREATE TABLE market_pause (
  market_id text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  body jsonb NOT NULL,
  PRIMARY KEY (market_id, seq)
);
CREATE INDEX market_pause_latest ON market_pause (seq, market_id);

-- migrate:down
DROP TABLE market_pause;
