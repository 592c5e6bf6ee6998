-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Every version of every policy, counted by market. Table policy keeps those from before: they had
-- free parameters and no effect, and nothing reads or writes them any more.
CREATE TABLE market_policy (
  market_id text NOT NULL,
  policy_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  body jsonb NOT NULL,
  set_at timestamptz NOT NULL,
  PRIMARY KEY (market_id, policy_id, version)
);

-- migrate:down
DROP TABLE market_policy;
