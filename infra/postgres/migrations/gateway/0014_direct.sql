-- migrate:up
-- Public keys that participants sign their own records with (offers.direct, demand.direct). Two
-- participants may name one key: what it signs says for whom.
CREATE TABLE signing_key (
  participant_id text NOT NULL,
  key_id text NOT NULL CHECK (key_id ~ '^dk_[0-9a-f]{32}$'),
  public_key bytea NOT NULL CHECK (length(public_key) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  PRIMARY KEY (participant_id, key_id)
);
CREATE INDEX signing_key_by_id ON signing_key (key_id);

-- migrate:down
DROP TABLE signing_key;
