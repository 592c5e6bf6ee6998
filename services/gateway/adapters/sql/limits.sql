-- name: take_tokens
-- One row per bucket, filled by the time since it was last drawn from. The database's wall clock is
-- the only clock, so gateways need not agree on theirs.
INSERT INTO rate_bucket AS b (bucket, tokens, taken, filled_at)
VALUES ($1, $4::integer - least($2::integer, $4::integer), least($2::integer, $4::integer),
  clock_timestamp())
ON CONFLICT (bucket) DO UPDATE SET (tokens, taken, filled_at) = (
  SELECT f.tokens - t.taken, t.taken, f.at
  FROM (
    SELECT n.at, least($4::integer,
      b.tokens + greatest(0, extract(epoch FROM n.at - b.filled_at)) * $3::double precision
    ) AS tokens
    FROM (SELECT clock_timestamp() AS at) AS n
  ) AS f,
  LATERAL (SELECT least($2::integer, floor(f.tokens))::integer AS taken) AS t
)
RETURNING taken, tokens;
