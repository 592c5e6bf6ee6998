-- name: claim
-- Takes every key that is new, or whose claimant vanished before it told the outcome, or is the
-- same as now; a claim
-- with another body is never taken over. Keys in order, so that two batches cannot deadlock. A
-- claim that is lost with the database only sends the same event twice, so it need not wait for
-- the disk.
WITH asked AS (
  SELECT key, sha256, request
  FROM unnest($3::text[], $4::bytea[], $5::text[]) AS a (key, sha256, request)
),
taken AS (
  INSERT INTO idempotency AS i (participant_id, key, request_sha256, request, claim)
  SELECT $1, key, sha256, request::jsonb, $2::uuid FROM asked ORDER BY key
  ON CONFLICT (participant_id, key) DO UPDATE SET claim = excluded.claim, claimed_at = now()
  WHERE i.reply IS NULL
    AND i.request_sha256 = excluded.request_sha256
    AND (i.claimed_at < now() - $6::interval OR i.claim = excluded.claim)
  RETURNING i.key
)
SELECT a.key, set_config('synchronous_commit', 'off', true), t.key IS NOT NULL AS mine,
  i.request, i.reply
FROM asked a
LEFT JOIN taken t ON t.key = a.key
LEFT JOIN idempotency i ON i.participant_id = $1 AND i.key = a.key;

-- name: release
-- Nothing was done: the key is free for another try.
DELETE FROM idempotency
WHERE participant_id = $1 AND claim = $2 AND key = ANY ($3::text[]) AND reply IS NULL;

-- name: expire
-- It is not known what was done: the next try with the same body takes over at once.
UPDATE idempotency SET claimed_at = 'epoch'
WHERE participant_id = $1 AND claim = $2 AND key = ANY ($3::text[]) AND reply IS NULL;
