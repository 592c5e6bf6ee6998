-- migrate:up

-- The journal byte for byte, and the heads of its log, for whoever audits it from outside.
CREATE TABLE journal_entry (
  leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
  entry bytea NOT NULL CHECK (length(entry) <= 65535)
);
CREATE TABLE log_head (
  size bigint PRIMARY KEY CHECK (size >= 1),
  origin text NOT NULL,
  root text NOT NULL CHECK (length(root) = 64),
  told_at timestamptz NOT NULL
);

-- Entries that were read before this table was there are read again; a repeat changes no balance.
DELETE FROM consumer_offset WHERE topic = 'journal-entries';

-- migrate:down
