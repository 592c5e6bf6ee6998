-- name: begin_session
INSERT INTO page_session (token_sha256, key_sha256, member_id, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4));

-- name: session_owner
SELECT key_sha256, member_id FROM page_session WHERE token_sha256 = $1 AND expires_at > now();

-- name: end_session
DELETE FROM page_session WHERE token_sha256 = $1;

-- name: prune_sessions
-- A few at a time, with each sign-in.
DELETE FROM page_session WHERE token_sha256 IN (
  SELECT token_sha256 FROM page_session WHERE expires_at <= now() LIMIT 100
);
