-- name: principal_by_key
SELECT k.key_id AS credential_id, k.participant_id, k.scopes, k.expires_at, p.role, p.status,
  COALESCE(k.last_used_at < now() - interval '60 seconds', true) AS unseen
FROM api_key k
JOIN participant p USING (participant_id)
WHERE k.sha256 = $1 AND k.revoked_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: touch_key
-- At most once a minute per key, so that reading stays reading.
UPDATE api_key SET last_used_at = now()
WHERE key_id = $1
  AND (last_used_at IS NULL OR last_used_at < now() - interval '60 seconds');

-- name: add_key
INSERT INTO api_key (key_id, participant_id, sha256, label, scopes, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7))
RETURNING key_id, participant_id, label, scopes, created_at, created_by, expires_at, last_used_at,
  revoked_at;

-- name: revoke_key
UPDATE api_key SET revoked_at = COALESCE(revoked_at, now())
WHERE key_id = $1 AND participant_id = $2
RETURNING key_id, participant_id, label, scopes, created_at, created_by, expires_at, last_used_at,
  revoked_at;

-- name: keys
SELECT key_id, participant_id, label, scopes, created_at, created_by, expires_at, last_used_at,
  revoked_at
FROM api_key WHERE participant_id = $1
ORDER BY created_at, key_id LIMIT 500;

-- name: begin_act
INSERT INTO admin_act (participant_id, role, credential_id, scope, act, object, body_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING act_id;

-- name: end_act
INSERT INTO admin_act_end (act_id, status) VALUES ($1, $2);

-- name: admin_acts
SELECT a.act_id, a.at, a.participant_id, a.role, a.credential_id, a.scope, a.act, a.object,
  a.body_sha256, e.status
FROM admin_act AS a LEFT JOIN admin_act_end AS e USING (act_id)
WHERE ($1::text IS NULL OR a.participant_id = $1)
  AND ($2::timestamptz IS NULL OR a.at >= $2)
  AND ($3::bigint IS NULL OR a.act_id < $3)
ORDER BY a.act_id DESC LIMIT $4;
