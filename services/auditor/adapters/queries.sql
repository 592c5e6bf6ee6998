-- name: parts
SELECT kind, body::text AS body FROM round_part ORDER BY round_id, kind, part

-- name: judged
SELECT round_id, file_sha256, told::text AS told FROM verdict WHERE round_id = ANY ($1)

-- name: verdicts
SELECT round_id, ok FROM verdict WHERE round_id = ANY ($1)

-- name: put_part
INSERT INTO round_part (round_id, kind, part, body) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (round_id, kind, part) DO NOTHING

-- name: drop_parts
DELETE FROM round_part WHERE round_id = ANY ($1)

-- name: put_verdict
INSERT INTO verdict (
  round_id, market_id, ok, problems, file_sha256, check_ms, decided_at, told
)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8::jsonb)
