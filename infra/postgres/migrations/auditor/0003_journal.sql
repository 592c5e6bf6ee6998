-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The auditor's own copy of the log: 256 leaf hashes a row, with the tree before the first of them.
-- Whoever rewrites the ledger's database does not reach it, and it names the leaf that differs.
CREATE TABLE leaf_tile (
  n bigint PRIMARY KEY CHECK (n >= 0),
  nodes bytea NOT NULL CHECK (length(nodes) % 32 = 0),
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0)
);

-- Every entry id once, so that a second entry under it is found.
CREATE TABLE entry_seen (
  entry_id text PRIMARY KEY,
  leaf_index bigint NOT NULL CHECK (leaf_index >= 0)
);

-- Partitions are read side by side: an entry that came before its predecessor waits here.
CREATE TABLE entry_waiting (
  leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
  content bytea NOT NULL
);

-- Balances as the postings make them; `off` is by how much the last entry said otherwise.
CREATE TABLE account_sum (
  account text PRIMARY KEY,
  unit text NOT NULL,
  version bigint NOT NULL,
  sums jsonb NOT NULL,
  off jsonb NOT NULL
);

CREATE TABLE hold_open (
  hold_id text PRIMARY KEY,
  amount bigint NOT NULL
);

-- Heads as published, one root for a size; `fits` is null until the entries reach it.
CREATE TABLE head_seen (
  size bigint PRIMARY KEY CHECK (size >= 1),
  root text NOT NULL CHECK (length(root) = 64),
  signed boolean NOT NULL,
  told_at timestamptz NOT NULL,
  fits boolean
);
CREATE INDEX head_ahead ON head_seen (size) WHERE fits IS NULL;

CREATE TABLE head_cosigned (
  size bigint NOT NULL,
  root text NOT NULL,
  witness text NOT NULL,
  PRIMARY KEY (size, root, witness)
);

-- How far a round is: its file judged right, its records told, its money in the journal.
CREATE TABLE round_audit (
  round_id text PRIMARY KEY,
  market_id text NOT NULL,
  seq bigint NOT NULL,
  judged boolean NOT NULL DEFAULT false,
  offers_through jsonb,
  booked_at bigint,
  allocations_compared boolean NOT NULL DEFAULT false,
  capacity_compared boolean NOT NULL DEFAULT false,
  payments_compared boolean NOT NULL DEFAULT false
);
CREATE INDEX round_audit_open ON round_audit (market_id, seq)
WHERE (judged AND NOT (allocations_compared AND payments_compared)) OR NOT capacity_compared;
CREATE INDEX round_audit_booked ON round_audit (market_id, seq) WHERE booked_at IS NOT NULL;

-- What the verified file says that each demand pays; dropped once it was compared.
CREATE TABLE round_payment (
  round_id text NOT NULL,
  demand_id text NOT NULL,
  payment bigint NOT NULL,
  PRIMARY KEY (round_id, demand_id)
);

-- Allocations by the file (dropped once compared) and by their topic.
CREATE TABLE round_allocation (
  round_id text NOT NULL,
  source text NOT NULL CHECK (source IN ('file', 'topic')),
  demand_id text NOT NULL,
  offer_id text NOT NULL,
  pool text NOT NULL,
  first_period bigint NOT NULL,
  payment bigint NOT NULL,
  digest text NOT NULL,
  told jsonb,
  PRIMARY KEY (round_id, source, demand_id, offer_id, pool, first_period)
);

-- Offers as they were sent, and what was given out of them.
CREATE TABLE offer_terms (
  offer_id text NOT NULL,
  version bigint NOT NULL,
  terms jsonb NOT NULL,
  PRIMARY KEY (offer_id, version)
);
CREATE TABLE capacity_given (
  offer_id text NOT NULL,
  pool text NOT NULL,
  hour text NOT NULL,
  chips bigint NOT NULL,
  PRIMARY KEY (offer_id, pool, hour)
);

-- Money in escrow by the journal; dropped once all of it went out.
CREATE TABLE claim (
  round_id text NOT NULL,
  demand_id text NOT NULL,
  taken numeric(38, 0) NOT NULL,
  payer text NOT NULL,
  went jsonb NOT NULL,
  entry bigint NOT NULL,
  PRIMARY KEY (round_id, demand_id)
);

-- Findings that were raised, each once.
CREATE TABLE finding (
  finding_id text PRIMARY KEY,
  code text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
  raised_at timestamptz NOT NULL
);

-- The small rest: how far the journal was checked, which head was last right.
CREATE TABLE journal_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  facts jsonb NOT NULL
);

-- Rounds that were judged before are judged again: what their files say was not kept, and their
-- bookings are to be compared too. The same verdict has the same id.
DELETE FROM verdict;
DELETE FROM round_part;
DELETE FROM consumer_offset WHERE topic = 'rounds';

-- migrate:down
