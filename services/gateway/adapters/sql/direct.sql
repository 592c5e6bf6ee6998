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

-- name: put_signing_key_of_few
-- Two at the same moment may both find room, which makes one key more and does no harm.
INSERT INTO signing_key (participant_id, key_id, public_key)
SELECT $1, $2, $3
WHERE $4 > (
  SELECT count(*) FROM signing_key WHERE participant_id = $1 AND revoked_at IS NULL
)
ON CONFLICT (participant_id, key_id) DO NOTHING;

-- name: signing_key_of
SELECT key_id, participant_id, public_key, created_at, revoked_at
FROM signing_key WHERE participant_id = $1 AND key_id = $2;

-- name: signing_keys_of
SELECT key_id, participant_id, public_key, created_at, revoked_at
FROM signing_key WHERE participant_id = $1
ORDER BY revoked_at IS NOT NULL, created_at DESC, key_id LIMIT 500;

-- name: revoke_signing_key
UPDATE signing_key SET revoked_at = COALESCE(revoked_at, now())
WHERE participant_id = $1 AND key_id = $2
RETURNING key_id, participant_id, public_key, created_at, revoked_at;

-- name: signing_participants
SELECT DISTINCT participant_id FROM signing_key WHERE revoked_at IS NULL ORDER BY participant_id;

-- name: direct_access
SELECT is_allowed, login, login_at, login_by FROM direct_access WHERE participant_id = $1;

-- name: allow_direct
INSERT INTO direct_access (participant_id, is_allowed, allowed_by) VALUES ($1, $2, $3)
ON CONFLICT (participant_id) DO UPDATE
SET is_allowed = $2, allowed_by = $3, allowed_at = now()
WHERE direct_access.is_allowed IS DISTINCT FROM $2;

-- name: begin_direct_login
-- Committed before the broker is asked, so that no login can be there that is not noted here.
UPDATE direct_access SET login = 'making', login_at = now(), login_by = $2
WHERE participant_id = $1;

-- name: hold_direct_login
-- Held while the broker is asked, so that whatever changes a login changes it alone.
SELECT a.is_allowed AND p.status = 'active' AS may, a.login
FROM direct_access a JOIN participant p USING (participant_id)
WHERE participant_id = $1
FOR UPDATE OF a NOWAIT;

-- name: finish_direct_login
UPDATE direct_access SET login = 'active', login_at = now(), login_by = $2
WHERE participant_id = $1;

-- name: end_direct_login
UPDATE direct_access SET login = 'none', login_at = NULL, login_by = NULL
WHERE participant_id = $1;

-- name: direct_logins_unnoted
SELECT p.participant_id FROM participant p LEFT JOIN direct_access a USING (participant_id)
WHERE p.participant_id = ANY ($1::text[]) AND coalesce(a.login, 'none') = 'none'
ORDER BY p.participant_id;

-- name: note_direct_access
INSERT INTO direct_access (participant_id, is_allowed, allowed_by) VALUES ($1, true, $2)
ON CONFLICT (participant_id) DO NOTHING;

-- name: direct_logins_due
-- A few at a time: the next look is seconds later.
SELECT a.participant_id FROM direct_access a JOIN participant p USING (participant_id)
WHERE a.login <> 'none' AND NOT (a.is_allowed AND p.status = 'active')
ORDER BY a.participant_id LIMIT 20;
