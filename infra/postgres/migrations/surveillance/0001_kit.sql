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
