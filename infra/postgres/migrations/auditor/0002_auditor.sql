-- migrate:up
-- What of a round has been read and not been judged yet.
CREATE TABLE round_part (
  round_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('sealed', 'cleared', 'file')),
  part integer NOT NULL CHECK (part >= 0),
  body jsonb NOT NULL,
  PRIMARY KEY (round_id, kind, part)
);

-- The verdict on every round, exactly one each.
CREATE TABLE verdict (
  round_id text PRIMARY KEY,
  market_id text NOT NULL,
  ok boolean NOT NULL,
  problems jsonb NOT NULL,
  file_sha256 text NOT NULL,
  check_ms bigint NOT NULL,
  decided_at timestamptz NOT NULL
);
