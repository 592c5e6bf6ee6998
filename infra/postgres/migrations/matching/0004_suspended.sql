-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Who may not trade in this market, as its topic of policies tells; their orders leave at a seal.
CREATE TABLE suspended (
  participant_id text PRIMARY KEY,
  reason text NOT NULL CHECK (reason <> '')
);

-- migrate:down
