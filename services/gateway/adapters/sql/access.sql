-- name: principal_by_key
SELECT k.key_id, k.participant_id, p.role, p.status,
  COALESCE(k.last_used_at < now() - interval '60 seconds', true) AS unseen
FROM api_key k
JOIN participant p USING (participant_id)
WHERE k.sha256 = $1 AND k.revoked_at IS NULL;

-- name: touch_key
-- At most once a minute per key, so that reading stays reading.
UPDATE api_key SET last_used_at = now()
WHERE key_id = $1
  AND (last_used_at IS NULL OR last_used_at < now() - interval '60 seconds');

-- name: add_key
INSERT INTO api_key (key_id, participant_id, sha256, label)
VALUES ($1, $2, $3, $4)
RETURNING key_id, participant_id, label, created_at, last_used_at, revoked_at;

-- name: revoke_key
UPDATE api_key SET revoked_at = COALESCE(revoked_at, now())
WHERE key_id = $1 AND participant_id = $2
RETURNING key_id, participant_id, label, created_at, last_used_at, revoked_at;

-- name: keys
SELECT key_id, participant_id, label, created_at, last_used_at, revoked_at
FROM api_key WHERE participant_id = $1
ORDER BY created_at, key_id LIMIT 500;

-- name: participant
SELECT participant_id, role, name, resource_code, beneficial_owner, status, registered_at
FROM participant LEFT JOIN participant_owner USING (participant_id)
WHERE participant_id = $1;

-- name: participants
SELECT participant_id, role, name, resource_code, beneficial_owner, status, registered_at
FROM participant LEFT JOIN participant_owner USING (participant_id)
WHERE ($1::text IS NULL OR participant_id > $1)
  AND ($3::text IS NULL OR filter_holds($3::text::jsonb, jsonb_build_object(
    'participant_id', participant_id, 'name', name, 'resource_code', resource_code,
    'beneficial_owner', beneficial_owner, 'role', role, 'status', status,
    'registered_at', micros(registered_at))))
ORDER BY participant_id LIMIT $2;

-- name: put_participant
INSERT INTO participant AS p
  (participant_id, role, name, resource_code, status, registered_at, log_offset)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (participant_id) DO UPDATE SET
  role = excluded.role, name = excluded.name, resource_code = excluded.resource_code,
  status = excluded.status, log_offset = excluded.log_offset
WHERE p.log_offset < excluded.log_offset;

-- name: may_set_role
SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'SET')), false)
FROM pg_roles WHERE rolname = $1;

-- name: identify
SELECT set_config('role', $1, false), set_config('suanli.participant_id', $2, false);
