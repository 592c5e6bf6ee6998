-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Orders to erase an entry as the log tells them. An id may come with two leaves: the ledger takes
-- the first alone, and which one that was is not the auditor's to guess.
CREATE TABLE erasure_ordered (
  erasure_id text NOT NULL,
  leaf_hash text NOT NULL CHECK (length(leaf_hash) = 64),
  PRIMARY KEY (erasure_id, leaf_hash)
);

-- Erasures as the log tells them, or as the ledger's database shows them; without an id where the
-- database's owner erased by hand. `compared` once the order was found, or its lack was told.
CREATE TABLE erasure_seen (
  leaf_index bigint NOT NULL CHECK (leaf_index >= 0),
  erasure_id text NOT NULL,
  leaf_hash text NOT NULL CHECK (length(leaf_hash) = 64),
  compared boolean NOT NULL DEFAULT false,
  PRIMARY KEY (leaf_index, erasure_id, leaf_hash)
);
CREATE INDEX erasure_seen_open ON erasure_seen (leaf_index) WHERE NOT compared;

-- migrate:down
