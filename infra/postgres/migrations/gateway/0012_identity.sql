-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Keys from before could do all that their role may, and never expired; they stay what they were.
ALTER TABLE api_key
  ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,trade,money,govern,admin}',
  ADD COLUMN created_by text,
  ADD COLUMN expires_at timestamptz;
UPDATE api_key AS k SET scopes = CASE p.role
    WHEN 'provider' THEN '{read,trade,money,admin}'::text[]
    WHEN 'enterprise' THEN '{read,trade,admin}'::text[]
    WHEN 'regulator' THEN '{read,govern,admin}'::text[]
    ELSE '{read,money,govern,admin}'::text[]
  END
FROM participant AS p WHERE p.participant_id = k.participant_id;
-- From here on a key of which nothing is said only reads.
ALTER TABLE api_key ALTER COLUMN scopes SET DEFAULT '{read}';
-- What is there was written by the two statements above, so nothing is left to validate.
ALTER TABLE api_key ADD CONSTRAINT api_key_scopes CHECK (
  scopes <@ '{read,trade,money,govern,admin}'::text[] AND cardinality(scopes) BETWEEN 1 AND 5
) NOT VALID;

-- What was asked for under a scope that is recorded is written before it is done, and how it was
-- answered afterwards; an act without an end is one that the gateway did not live to answer.
CREATE TABLE admin_act (
  act_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  participant_id text NOT NULL,
  role text NOT NULL,
  credential_id text NOT NULL,
  scope text NOT NULL,
  act text NOT NULL,
  object text NOT NULL,
  body_sha256 text
);
CREATE INDEX admin_act_participant ON admin_act (participant_id, act_id DESC);
CREATE TABLE admin_act_end (
  act_id bigint PRIMARY KEY,
  status integer NOT NULL CHECK (status BETWEEN 100 AND 599),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: the record of acts only grows', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_act
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_act_end
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How much each caller may still ask for. It may be lost with a crash: then everybody starts full.
CREATE UNLOGGED TABLE rate_bucket (
  bucket text PRIMARY KEY,
  tokens double precision NOT NULL,
  -- By the latest draw, for whoever draws to read.
  taken integer NOT NULL,
  filled_at timestamptz NOT NULL
);

-- Requests read in roles of their own (0007); of these tables they see what a policy shows.
DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['admin_act', 'admin_act_end'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY service ON %I TO %I USING (true) WITH CHECK (true)',
      name, current_user);
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader)
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = overseer) THEN
    EXECUTE format('CREATE POLICY reader ON admin_act FOR SELECT TO %I '
      'USING (sees(participant_id))', reader);
    EXECUTE format('CREATE POLICY reader ON admin_act_end FOR SELECT TO %I '
      'USING (EXISTS (SELECT FROM admin_act AS a WHERE a.act_id = admin_act_end.act_id))',
      reader);
    FOREACH name IN ARRAY ARRAY['admin_act', 'admin_act_end'] LOOP
      EXECUTE format('CREATE POLICY overseer ON %I FOR SELECT TO %I USING (true)',
        name, overseer);
    END LOOP;
    EXECUTE format('REVOKE ALL ON rate_bucket FROM %I, %I', reader, overseer);
  END IF;
END $$;

-- migrate:down
