-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Who may have a login at the broker, and what became of it. The broker has the logins; this says
-- of each that there may be one, from before it is made. Who was granted one before this table was
-- there is not in it: the broker says so, and the operator allows it once.
CREATE TABLE direct_access (
  participant_id text PRIMARY KEY,
  is_allowed boolean NOT NULL,
  allowed_by text NOT NULL,
  allowed_at timestamptz NOT NULL DEFAULT now(),
  login text NOT NULL DEFAULT 'none' CHECK (login IN ('none', 'making', 'active')),
  login_at timestamptz,
  login_by text,
  CONSTRAINT direct_access_login CHECK (
    num_nonnulls(login_at, login_by) = CASE login WHEN 'none' THEN 0 ELSE 2 END
  )
);

-- Nothing that is read for a request in the roles of 0007 needs it.
DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader)
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = overseer) THEN
    EXECUTE format('REVOKE ALL ON direct_access FROM %I, %I', reader, overseer);
  END IF;
END $$;

-- migrate:down
DROP TABLE direct_access;
