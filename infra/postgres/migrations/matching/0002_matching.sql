-- migrate:up
-- One schema serves one market; a second process must not mix its book into this one.
CREATE TABLE owner (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  market_id text NOT NULL
);

-- Markets as last defined; the own one is cleared, the others' records are not ours.
CREATE TABLE market (
  market_id text PRIMARY KEY,
  body jsonb NOT NULL,
  defined_at timestamptz NOT NULL
);

-- The verdict on every record that was read, exactly one each.
CREATE TABLE intake (
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL CHECK (record_offset >= 0),
  verdict text NOT NULL CHECK (verdict IN (
    'accepted', 'open', 'amended', 'cancelled', 'rejected', 'applied', 'kept', 'duplicate',
    'conflict', 'stale-version', 'not-owner', 'unknown-order', 'closed', 'not-yours', 'ignored',
    'dead-letter'
  )),
  reason text NOT NULL,
  order_id text,
  decided_at timestamptz NOT NULL,
  PRIMARY KEY (topic, partition, record_offset)
);
CREATE INDEX intake_order ON intake (order_id) WHERE order_id IS NOT NULL;

-- Every order in its one state. body is the whole order; the columns beside it are for finding.
CREATE TABLE orders (
  order_id text PRIMARY KEY,
  side text NOT NULL CHECK (side IN ('offer', 'demand')),
  participant_id text NOT NULL,
  state text NOT NULL CHECK (state IN (
    'accepted', 'open', 'part-filled', 'filled', 'cancelled', 'expired', 'rejected'
  )),
  version integer NOT NULL CHECK (version >= 1),
  sequence bigint NOT NULL CHECK (sequence >= 1),
  exclusive_group text,
  traded boolean NOT NULL,
  hold_micro_yuan bigint NOT NULL CHECK (hold_micro_yuan >= 0),
  hold_due_micro_yuan bigint NOT NULL CHECK (hold_due_micro_yuan >= 0),
  -- Whether the next round has to tell the ledger what to hold.
  hold_news boolean NOT NULL,
  body jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);
-- What a start has to load: live orders, and those whose hold the ledger has yet to be told.
CREATE INDEX orders_working ON orders (order_id)
WHERE state IN ('accepted', 'open', 'part-filled') OR hold_news;
CREATE INDEX orders_group ON orders (exclusive_group)
WHERE exclusive_group IS NOT NULL AND traded;

-- The ledger's answers to versions that have not been read yet; cause is the event answered.
CREATE TABLE early_hold (
  order_id text NOT NULL,
  cause text NOT NULL,
  version integer NOT NULL,
  record_offset bigint NOT NULL,
  placed boolean NOT NULL,
  amount_micro_yuan bigint NOT NULL CHECK (amount_micro_yuan >= 0),
  free_micro_yuan bigint NOT NULL CHECK (free_micro_yuan >= 0),
  booked_through bigint NOT NULL,
  PRIMARY KEY (order_id, cause)
);

-- Every round with all that it takes to clear it again: book and rules as canonical JSON (zlib).
CREATE TABLE round (
  seq bigint PRIMARY KEY CHECK (seq >= 1),
  round_id text NOT NULL UNIQUE,
  state text NOT NULL CHECK (state IN ('SEALED', 'PUBLISHED')),
  epoch bigint NOT NULL,
  market_time timestamptz NOT NULL,
  manifest jsonb NOT NULL,
  through jsonb NOT NULL,
  market jsonb NOT NULL,
  book bytea NOT NULL,
  rules bytea NOT NULL,
  book_digest text NOT NULL,
  rules_digest text NOT NULL,
  status text,
  cause text,
  result bytea,
  result_digest text,
  solve_ms bigint,
  sealed_at timestamptz NOT NULL,
  published_at timestamptz,
  CHECK ((state = 'PUBLISHED') = (
    status IS NOT NULL AND result IS NOT NULL AND result_digest IS NOT NULL
    AND solve_ms IS NOT NULL AND published_at IS NOT NULL
  ))
);
-- Rounds follow one another; at most one waits for its result.
CREATE UNIQUE INDEX round_sealed ON round (state) WHERE state = 'SEALED';
