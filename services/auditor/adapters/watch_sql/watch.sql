-- name: kept
SELECT event_id, subject, value, headers::text AS headers FROM tape_event ORDER BY seq

-- name: told
SELECT case_id, market_id, day, revision, digest, body::text AS body FROM told_case
WHERE case_id = ANY ($1)

-- name: told_of
SELECT case_id, market_id, day, revision, digest, body::text AS body FROM told_case
WHERE market_id = $1 AND day = $2 ORDER BY case_id

-- name: forget
DELETE FROM tape_event WHERE subject = ANY ($1)

-- name: keep
INSERT INTO tape_event (event_id, subject, value, headers)
SELECT event_id, subject, value, headers::jsonb
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) WITH ORDINALITY
  AS k (event_id, subject, value, headers, n)
ORDER BY n
ON CONFLICT (event_id) DO NOTHING

-- name: tell
INSERT INTO told_case AS t (case_id, market_id, day, revision, digest, body)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb)
ON CONFLICT (case_id) DO UPDATE
SET revision = excluded.revision, digest = excluded.digest, body = excluded.body, told_at = now()
