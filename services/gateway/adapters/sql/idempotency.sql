-- name: claim
-- Takes every key that is new, or whose claimant vanished before it told the outcome, or is the
-- same as now; a claim
-- with another body is never taken over. Keys in order, so that two batches cannot deadlock. A
-- claim that is lost with the database only sends the same event twice, so it need not wait for
-- the disk.
WITH asked AS (
  SELECT participant_id, claim, key, sha256, request, n
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bytea[], $5::text[]) WITH ORDINALITY
    AS a (participant_id, claim, key, sha256, request, n)
),
taken AS (
  INSERT INTO idempotency AS i (participant_id, key, request_sha256, request, claim)
  SELECT participant_id, key, sha256, request::jsonb, claim FROM asked
  ORDER BY participant_id, key
  ON CONFLICT (participant_id, key) DO UPDATE SET claim = excluded.claim, claimed_at = now()
  WHERE i.reply IS NULL
    AND i.request = excluded.request
    AND (i.claimed_at < now() - $6::interval OR i.claim = excluded.claim)
  RETURNING i.participant_id, i.key
)
SELECT set_config('synchronous_commit', 'off', true), t.key IS NOT NULL AS mine,
  CASE WHEN t.key IS NULL THEN i.request END AS request,
  CASE WHEN t.key IS NULL THEN i.reply END AS reply
FROM asked a
LEFT JOIN taken t USING (participant_id, key)
LEFT JOIN idempotency i USING (participant_id, key)
ORDER BY a.n;

-- name: release
-- Nothing was done: the key is free for another try.
DELETE FROM idempotency
WHERE participant_id = $1 AND claim = $2 AND key = ANY ($3::text[]) AND reply IS NULL;

-- name: expire
-- It is not known what was done: the next try with the same body takes over at once.
UPDATE idempotency i SET claimed_at = 'epoch'
FROM unnest($1::text[], $2::uuid[], $3::text[]) AS e (participant_id, claim, key)
WHERE i.participant_id = e.participant_id AND i.claim = e.claim AND i.key = e.key
  AND i.reply IS NULL;
