-- migrate:up
-- Positions in the log, moved in the same transaction as the output that they stand for.
CREATE TABLE consumer_offset (
  topic text NOT NULL,
  partition integer NOT NULL CHECK (partition >= 0),
  next_offset bigint NOT NULL CHECK (next_offset >= 0),
  epoch bigint NOT NULL CHECK (epoch >= 0),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);

-- Who may write; the epoch goes up with every take-over and never down.
CREATE TABLE lease (
  name text PRIMARY KEY,
  epoch bigint NOT NULL CHECK (epoch >= 1),
  holder text NOT NULL,
  until timestamptz NOT NULL
);

-- Records to send, in the order of their commits; outbox_head gives out gapless numbers.
CREATE TABLE outbox_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  next_seq bigint NOT NULL CHECK (next_seq >= 1)
);
INSERT INTO outbox_head (next_seq) VALUES (1);
CREATE TABLE outbox (
  seq bigint PRIMARY KEY,
  topic text NOT NULL,
  key bytea NOT NULL,
  headers jsonb NOT NULL,
  value bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (seq) WHERE sent_at IS NULL;

-- Who may do what --------------------------------------------------------------------------

CREATE TABLE participant (
  participant_id text PRIMARY KEY,
  role text NOT NULL CHECK (role IN ('provider', 'enterprise', 'regulator', 'operator')),
  name text NOT NULL,
  resource_code text,
  status text NOT NULL CHECK (status IN ('active', 'suspended')),
  registered_at timestamptz NOT NULL,
  -- Position on the topic; a later record of the participant replaces an earlier one.
  log_offset bigint NOT NULL
);

-- Secrets are never stored, only their hashes; a key is 256 random bits, so no salt is needed.
CREATE TABLE api_key (
  key_id text PRIMARY KEY,
  participant_id text NOT NULL,
  sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
  label text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_key_participant ON api_key (participant_id);

-- One row per intent of a participant: the claim while it is under way, the reply once it is on
-- the log. Kept for the life of the market, since the key also is the order's identity.
CREATE TABLE idempotency (
  participant_id text NOT NULL,
  key text NOT NULL,
  request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
  request jsonb NOT NULL,
  claim uuid NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now(),
  reply jsonb,
  PRIMARY KEY (participant_id, key)
);

-- What the exchange trades ------------------------------------------------------------------

CREATE TABLE market (
  market_id text PRIMARY KEY,
  body jsonb NOT NULL,
  defined_at timestamptz NOT NULL,
  log_offset bigint NOT NULL
);

CREATE TABLE policy (
  policy_id text NOT NULL,
  version integer NOT NULL,
  market_id text NOT NULL,
  body jsonb NOT NULL,
  set_at timestamptz NOT NULL,
  PRIMARY KEY (policy_id, version)
);

-- Orders ------------------------------------------------------------------------------------

-- Terms come from offers and demand, states from order-status, money from holds: three topics
-- that are read side by side, so any of them may be first and every column but the key is
-- filled by its own source.
CREATE TABLE orders (
  order_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  side text NOT NULL CHECK (side IN ('offer', 'demand')),
  market_id text NOT NULL,
  participant_id text NOT NULL,
  submitted_at timestamptz,
  log_partition integer,
  log_offset bigint,
  state text NOT NULL DEFAULT 'accepted',
  version integer NOT NULL DEFAULT 1,
  -- Event that brought the version; tells apart two amendments of the same version.
  version_cause text NOT NULL DEFAULT '',
  reason jsonb,
  -- -1 until the first status was seen.
  status_sequence bigint NOT NULL DEFAULT -1,
  round_id text,
  chip_hours_allocated bigint NOT NULL DEFAULT 0,
  chip_hours_left bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL,
  cancel_requested_at timestamptz,
  hold_state text,
  hold_version integer,
  hold_amount bigint,
  hold_needed bigint,
  hold_free bigint,
  hold_offset bigint NOT NULL DEFAULT -1
);
CREATE INDEX orders_participant ON orders (participant_id, side, seq DESC);
CREATE INDEX orders_market ON orders (market_id, side, seq DESC);
CREATE INDEX orders_open ON orders (market_id, side)
  WHERE state IN ('accepted', 'open', 'part-filled');

CREATE TABLE order_terms (
  event_id text PRIMARY KEY,
  order_id text NOT NULL,
  version integer NOT NULL,
  terms jsonb NOT NULL,
  recorded_at timestamptz NOT NULL,
  -- Position on the topic; of two amendments of one version the later one counts.
  log_offset bigint NOT NULL
);
CREATE INDEX order_terms_order ON order_terms (order_id, version);

CREATE TABLE order_event (
  event_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  order_id text NOT NULL,
  kind text NOT NULL,
  version integer,
  state text,
  reason jsonb,
  round_id text,
  amount bigint,
  -- Event that caused it; a status that answers an amendment names it here.
  cause text NOT NULL DEFAULT '',
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL
);
CREATE INDEX order_event_order ON order_event (order_id, recorded_at, seq);

-- Rounds ------------------------------------------------------------------------------------

CREATE TABLE round (
  round_id text PRIMARY KEY,
  market_id text NOT NULL,
  seq bigint NOT NULL,
  market_time timestamptz NOT NULL,
  sealed jsonb,
  cleared jsonb,
  -- Set once the allocations of the round are whole; they are shown from then on.
  closed_at timestamptz,
  file_state text NOT NULL DEFAULT 'none'
    CHECK (file_state IN ('none', 'partial', 'ok', 'corrupt')),
  file_sha256 text,
  file_bytes bigint,
  UNIQUE (market_id, seq)
);

CREATE TABLE round_file_part (
  round_id text NOT NULL,
  part integer NOT NULL,
  parts integer NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (round_id, part)
);

CREATE TABLE round_curve (
  round_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('clearing', 'certificate')),
  pool text NOT NULL,
  first_period bigint NOT NULL,
  prices bigint[] NOT NULL,
  chips bigint[] NOT NULL,
  offered bigint[] NOT NULL,
  PRIMARY KEY (round_id, kind, pool)
);

-- Latest price of a pool in a period, with what all rounds made of it.
CREATE TABLE price (
  market_id text NOT NULL,
  pool text NOT NULL,
  period bigint NOT NULL,
  price bigint NOT NULL,
  chips bigint NOT NULL,
  offered bigint NOT NULL,
  round_id text NOT NULL,
  round_seq bigint NOT NULL,
  low bigint NOT NULL,
  high bigint NOT NULL,
  chips_total bigint NOT NULL,
  -- Sum of price x chips; numeric, since it may pass 64 bits over many rounds.
  value_total numeric(38, 0) NOT NULL,
  PRIMARY KEY (market_id, pool, period)
);

CREATE TABLE allocation (
  allocation_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  round_id text NOT NULL,
  market_id text NOT NULL,
  demand_id text NOT NULL,
  enterprise_id text NOT NULL,
  offer_id text NOT NULL,
  provider_id text NOT NULL,
  pool text NOT NULL,
  periods jsonb NOT NULL,
  payment bigint NOT NULL,
  made_at timestamptz NOT NULL
);
CREATE INDEX allocation_round ON allocation (round_id);
CREATE INDEX allocation_demand ON allocation (demand_id);
CREATE INDEX allocation_offer ON allocation (offer_id);
CREATE INDEX allocation_enterprise ON allocation (enterprise_id, seq DESC);
CREATE INDEX allocation_provider ON allocation (provider_id, seq DESC);

CREATE TABLE delivered_period (
  allocation_id text NOT NULL,
  period bigint NOT NULL,
  chips integer NOT NULL,
  delivery_id text NOT NULL,
  PRIMARY KEY (allocation_id, period)
);

-- Money -------------------------------------------------------------------------------------

CREATE TABLE account_entry (
  entry_id text NOT NULL,
  line integer NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  account text NOT NULL,
  unit text NOT NULL,
  kind text NOT NULL,
  purpose text NOT NULL,
  layer text NOT NULL CHECK (layer IN ('posted', 'pending')),
  -- As on the wire: debits positive.
  amount bigint NOT NULL,
  balance_after bigint NOT NULL,
  market_id text,
  round_id text,
  order_id text,
  leaf_index bigint NOT NULL,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (entry_id, line)
);
CREATE INDEX account_entry_account ON account_entry (account, seq DESC);

CREATE TABLE account (
  account text PRIMARY KEY,
  unit text NOT NULL,
  posted numeric(38, 0) NOT NULL,
  pending numeric(38, 0) NOT NULL,
  entries bigint NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE finding (
  finding_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  market_id text NOT NULL,
  round_id text,
  kind text NOT NULL,
  ok boolean NOT NULL,
  summary jsonb NOT NULL,
  problems jsonb NOT NULL,
  raised_at timestamptz NOT NULL
);
CREATE INDEX finding_round ON finding (round_id);

-- How far behind the log this schema is; the reader writes it, every instance reads it.
CREATE TABLE projection_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  lag bigint NOT NULL,
  updated_at timestamptz NOT NULL
);

-- migrate:down
