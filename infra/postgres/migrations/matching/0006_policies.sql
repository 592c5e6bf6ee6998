-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Every version of every policy of the market, as its topic of policies tells; which of them are in
-- force follows from the number of the round.
CREATE TABLE policy (
  policy_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  body jsonb NOT NULL,
  PRIMARY KEY (policy_id, version)
);

-- migrate:down
