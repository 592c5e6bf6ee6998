-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The log's tree, grown from the entries as they come, and its signed heads.
ALTER TABLE journal_entry ADD COLUMN leaf_hash bytea;
-- Entries so far are leaves of version 1: the log holds them in clear.
UPDATE journal_entry SET leaf_hash = sha256('\x00'::bytea || entry);
-- NOT VALID: what is there was filled just now.
ALTER TABLE journal_entry ADD CONSTRAINT journal_entry_leaf_hash CHECK (
  leaf_hash IS NOT NULL AND length(leaf_hash) = 32
) NOT VALID;

CREATE TABLE tree_tile (
  level integer NOT NULL CHECK (level BETWEEN 0 AND 63),
  n bigint NOT NULL CHECK (n >= 0),
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (level, n)
);

ALTER TABLE log_head ADD COLUMN note text;
-- A second root for a size is never forgotten: from then on no head is served.
CREATE TABLE log_fork (
  size bigint NOT NULL,
  root text NOT NULL CHECK (length(root) = 64),
  note text,
  told_at timestamptz NOT NULL,
  PRIMARY KEY (size, root)
);
CREATE TABLE log_cosignature (
  size bigint NOT NULL CHECK (size >= 1),
  root text NOT NULL CHECK (length(root) = 64),
  witness text NOT NULL,
  line text NOT NULL,
  PRIMARY KEY (size, root, witness, line)
);

-- migrate:down
