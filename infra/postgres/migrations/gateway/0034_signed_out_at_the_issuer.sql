-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The issuer's own name of a session, by which it may say that it is over.
ALTER TABLE page_session ADD COLUMN issuer_session text;

-- Tokens that said so, until they are worth nothing: each says it once.
CREATE TABLE spent_logout (
  issuer text NOT NULL,
  token_id text NOT NULL CHECK (length(token_id) BETWEEN 1 AND 255),
  until timestamptz NOT NULL,
  PRIMARY KEY (issuer, token_id)
);

-- Nothing that is read for a request in the roles of 0007 needs it.
DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader)
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = overseer) THEN
    EXECUTE format('REVOKE ALL ON spent_logout FROM %I, %I', reader, overseer);
  END IF;
END $$;

-- migrate:down
DROP TABLE spent_logout;
ALTER TABLE page_session DROP COLUMN issuer_session;
