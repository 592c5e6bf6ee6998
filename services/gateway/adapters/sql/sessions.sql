-- name: begin_session
INSERT INTO page_session (token_sha256, key_sha256, member_id, expires_at, issuer_session)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5);

-- name: session_owner
SELECT key_sha256, member_id FROM page_session WHERE token_sha256 = $1 AND expires_at > now();

-- name: end_session
DELETE FROM page_session WHERE token_sha256 = $1;

-- name: prune_sessions
-- A few at a time, with each sign-in.
DELETE FROM page_session WHERE token_sha256 IN (
  SELECT token_sha256 FROM page_session WHERE expires_at <= now() LIMIT 100
);

-- name: prune_logouts
DELETE FROM spent_logout WHERE until < now();

-- name: spend_logout
INSERT INTO spent_logout (issuer, token_id, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: end_issuer_sessions
-- Of a session whose name the issuer never told, its subject decides.
DELETE FROM page_session AS s USING member AS m
WHERE s.member_id = m.member_id AND m.issuer = $1
  AND ($2::text IS NULL OR m.subject = $2)
  AND (
    $3::text IS NULL OR s.issuer_session = $3
    OR (s.issuer_session IS NULL AND $2::text IS NOT NULL)
  );
