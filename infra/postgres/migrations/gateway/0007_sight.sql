-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What belongs to participants is seen row by row. Requests are read in the reader's role, under
-- the identity that the gateway found by the key: a participant sees its own rows, `*` (regulator,
-- operator) all, and an identity that is not set none, whatever a query forgets to ask for. Where
-- the migrating user may not make a role, requests are read in its own and see all.
CREATE FUNCTION sees(owner text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT current_setting('suanli.participant_id', true) IN (owner, '*') $$;

CREATE FUNCTION sees_account(account text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT current_setting('suanli.participant_id', true) = '*'
    OR account IN (
      'cny:' || nullif(current_setting('suanli.participant_id', true), ''),
      'collateral:' || nullif(current_setting('suanli.participant_id', true), ''),
      'debt:' || nullif(current_setting('suanli.participant_id', true), '')
    )
$$;

-- Without this a view reads with the rights of its owner.
ALTER VIEW order_shown SET (security_invoker = true);
ALTER VIEW charge SET (security_invoker = true);

DO $$
DECLARE
  reader text := current_schema() || '_reader';
  rule record;
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', reader);
    END IF;
    EXECUTE format('GRANT %I TO CURRENT_USER', reader);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), reader);
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'role % was not made: the migrating user may not', reader;
    reader := NULL;
  END;
  IF reader IS NOT NULL THEN
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', current_schema(), reader);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO %I',
      current_schema(), reader);
    -- Nothing that is read for a request needs these.
    EXECUTE format('REVOKE ALL ON api_key, idempotency, schema_migrations FROM %I', reader);
  END IF;
  FOR rule IN SELECT * FROM (VALUES
    ('orders', 'sees(participant_id)'),
    ('order_terms', 'EXISTS (SELECT FROM orders AS o WHERE o.order_id = order_terms.order_id)'),
    ('order_event', 'EXISTS (SELECT FROM orders AS o WHERE o.order_id = order_event.order_id)'),
    ('allocation', 'sees(enterprise_id) OR sees(provider_id)'),
    ('delivered_period', 'EXISTS (SELECT FROM allocation AS a '
      'WHERE a.allocation_id = delivered_period.allocation_id)'),
    ('account', 'sees_account(account)'),
    ('account_entry', 'sees_account(account)'),
    ('journal_entry', 'sees(NULL) OR EXISTS (SELECT FROM account_entry AS e '
      'WHERE e.leaf_index = journal_entry.leaf_index)'),
    ('settlement', 'sees(enterprise_id) OR sees(provider_id)'),
    ('settlement_entry', 'sees(enterprise_id) OR sees(provider_id)'),
    ('money_refused', 'sees(participant_id)'),
    ('participant', 'sees(participant_id)')
  ) AS r (name, using_sql) LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', rule.name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', rule.name);
    EXECUTE format('CREATE POLICY service ON %I TO %I USING (true) WITH CHECK (true)',
      rule.name, current_user);
    IF reader IS NOT NULL THEN
      EXECUTE format('CREATE POLICY reader ON %I FOR SELECT TO %I USING (%s)',
        rule.name, reader, rule.using_sql);
    END IF;
  END LOOP;
END $$;

-- migrate:down
