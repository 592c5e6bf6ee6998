-- migrate:up
SET LOCAL lock_timeout = '30s';

-- People who act for a participant. Whoever has a token of the issuer for the subject is the
-- member; a person is a member once, of one participant. Who was removed stays in the list, so
-- that the record of acts still tells who it was.
CREATE TABLE member (
  member_id text PRIMARY KEY CHECK (member_id ~ '^mbr_[a-z2-7]{16}$'),
  participant_id text NOT NULL,
  issuer text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 300),
  subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
  name text NOT NULL,
  scopes text[] NOT NULL CHECK (
    scopes <@ '{read,trade,money,govern,admin}'::text[] AND cardinality(scopes) BETWEEN 1 AND 5
  ),
  is_suspended boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  last_seen_at timestamptz,
  removed_at timestamptz
);
CREATE UNIQUE INDEX member_subject ON member (issuer, subject) WHERE removed_at IS NULL;
CREATE INDEX member_participant ON member (participant_id, created_at);

-- A session is of a key or of a member. A gateway from before takes a session without a key as
-- none, so the column may lose its constraint while one is running.
-- squawk-ignore ban-drop-not-null
ALTER TABLE page_session ALTER COLUMN key_sha256 DROP NOT NULL, ADD COLUMN member_id text;
-- What is there has a key, by the constraint that was dropped just now.
ALTER TABLE page_session ADD CONSTRAINT page_session_owner
  CHECK (num_nonnulls(key_sha256, member_id) = 1) NOT VALID;

-- Nothing that is read for a request in the roles of 0007 needs these.
DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader)
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = overseer) THEN
    EXECUTE format('REVOKE ALL ON member, page_session FROM %I, %I', reader, overseer);
  END IF;
END $$;

-- migrate:down
