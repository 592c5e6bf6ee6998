-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Who is signed in to the pages. The cookie's token and the key are known by their hashes alone; a
-- key that is revoked or expires ends its sessions, since each request looks its holder up again.
CREATE TABLE page_session (
  token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
  key_sha256 bytea NOT NULL CHECK (length(key_sha256) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  CHECK (expires_at > created_at)
);
CREATE INDEX page_session_expires ON page_session (expires_at);
