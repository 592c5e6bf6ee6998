-- name: principal_by_subject
SELECT m.member_id AS credential_id, m.participant_id, m.scopes, m.is_suspended, p.role, p.status,
  COALESCE(m.last_seen_at < now() - interval '60 seconds', true) AS unseen
FROM member m
JOIN participant p USING (participant_id)
WHERE m.issuer = $1 AND m.subject = $2 AND m.removed_at IS NULL;

-- name: principal_by_member
SELECT m.member_id AS credential_id, m.participant_id, m.scopes, m.is_suspended, p.role, p.status,
  COALESCE(m.last_seen_at < now() - interval '60 seconds', true) AS unseen
FROM member m
JOIN participant p USING (participant_id)
WHERE m.member_id = $1 AND m.removed_at IS NULL;

-- name: touch_member
-- At most once a minute, so that reading stays reading.
UPDATE member SET last_seen_at = now()
WHERE member_id = $1
  AND (last_seen_at IS NULL OR last_seen_at < now() - interval '60 seconds');

-- name: add_member
INSERT INTO member (member_id, participant_id, issuer, subject, name, scopes, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (issuer, subject) WHERE removed_at IS NULL DO NOTHING
RETURNING member_id, participant_id, issuer, subject, name, scopes, is_suspended, created_at,
  created_by, last_seen_at, removed_at;

-- name: change_member
UPDATE member SET scopes = COALESCE($3::text[], scopes),
  is_suspended = COALESCE($4::boolean, is_suspended)
WHERE member_id = $1 AND participant_id = $2 AND removed_at IS NULL
RETURNING member_id, participant_id, issuer, subject, name, scopes, is_suspended, created_at,
  created_by, last_seen_at, removed_at;

-- name: remove_member
UPDATE member SET removed_at = COALESCE(removed_at, now())
WHERE member_id = $1 AND participant_id = $2
RETURNING member_id, participant_id, issuer, subject, name, scopes, is_suspended, created_at,
  created_by, last_seen_at, removed_at;

-- name: members
SELECT member_id, participant_id, issuer, subject, name, scopes, is_suspended, created_at,
  created_by, last_seen_at, removed_at
FROM member WHERE participant_id = $1
ORDER BY removed_at IS NOT NULL, created_at, member_id LIMIT 500;

-- name: member
SELECT member_id, participant_id, issuer, subject, name, scopes, is_suspended, created_at,
  created_by, last_seen_at, removed_at
FROM member WHERE member_id = $1;
