-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What the comparison of books had read and made of the log up to some positions, so that a start
-- reads what came since. It is the auditor's own note: without it, or with one that does not fit
-- its digest or the running program, the log is read from its beginning.
CREATE TABLE book_checkpoint (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version text NOT NULL,
  positions jsonb NOT NULL,
  parts bigint NOT NULL CHECK (parts >= 0),
  digest bytea NOT NULL CHECK (length(digest) = 32),
  read_from timestamptz NOT NULL,
  kept_at timestamptz NOT NULL
);
CREATE TABLE book_part (
  market_id text NOT NULL,
  name text NOT NULL,
  key text NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (market_id, name, key)
);

-- migrate:down
DROP TABLE book_part, book_checkpoint;
