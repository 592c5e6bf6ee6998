-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What policies cost in a round, or how often it could not be worked out. Nothing of it is on the
-- log: it follows from the round's file alone, and whoever has that can work it out again.
CREATE TABLE policy_cost (
  round_id text PRIMARY KEY REFERENCES round (round_id),
  body jsonb,
  tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
  cause text NOT NULL DEFAULT '',
  CHECK (body IS NOT NULL OR tries > 0)
);

-- Rules that are tried on past rounds; the rounds are fixed when it is asked for.
CREATE TABLE policy_simulation (
  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  simulation_id text PRIMARY KEY,
  market_id text NOT NULL,
  asked jsonb NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  rounds bigint[] NOT NULL CHECK (cardinality(rounds) BETWEEN 1 AND 1000),
  state text NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'running', 'ready', 'failed')),
  cause text NOT NULL DEFAULT ''
);
CREATE INDEX policy_simulation_open ON policy_simulation (number)
  WHERE state IN ('waiting', 'running');

CREATE TABLE policy_simulation_round (
  simulation_id text NOT NULL REFERENCES policy_simulation (simulation_id) ON DELETE CASCADE,
  seq bigint NOT NULL,
  body jsonb NOT NULL,
  PRIMARY KEY (simulation_id, seq)
);

-- migrate:down
DROP TABLE policy_simulation_round;
DROP TABLE policy_simulation;
DROP TABLE policy_cost;
