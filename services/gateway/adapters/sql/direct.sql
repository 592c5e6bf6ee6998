-- name: put_signing_key
-- A key that was revoked stays so: who held it may hold it still.
INSERT INTO signing_key (participant_id, key_id, public_key) VALUES ($1, $2, $3)
ON CONFLICT (participant_id, key_id) DO NOTHING;

-- name: revoke_signing_keys
UPDATE signing_key SET revoked_at = now()
WHERE participant_id = $1 AND revoked_at IS NULL;

-- name: signing_keys
SELECT k.key_id, k.public_key, k.participant_id, k.revoked_at IS NOT NULL AS revoked,
  p.role, p.status
FROM signing_key k
JOIN participant p USING (participant_id)
WHERE k.key_id = ANY ($1::text[]);
