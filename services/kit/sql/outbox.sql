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
