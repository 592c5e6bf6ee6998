-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What belongs to participants is seen row by row. Requests are read in one of two roles that
-- only select: the overseer's (regulator, operator) sees all, the reader's the rows of the identity
-- that the gateway found by the key, none if no identity is set, whatever a query forgets to ask
-- for. Two roles and not a wildcard identity, so that plans know which of the two it is. Where the
-- migrating user may not make roles, requests are read in its own and see all.
CREATE FUNCTION sees(owner text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT owner = nullif(current_setting('suanli.participant_id', true), '') $$;

CREATE FUNCTION sees_account(account text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT account IN (
    'cny:' || nullif(current_setting('suanli.participant_id', true), ''),
    'collateral:' || nullif(current_setting('suanli.participant_id', true), ''),
    'debt:' || nullif(current_setting('suanli.participant_id', true), '')
  )
$$;

-- Without this a view reads with the rights of its owner.
ALTER VIEW order_shown SET (security_invoker = true);
ALTER VIEW charge SET (security_invoker = true);

CREATE FUNCTION make_reader(role_name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
  END IF;
  EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', current_schema(), role_name);
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO %I',
    current_schema(), role_name);
  -- Nothing that is read for a request needs these.
  EXECUTE format('REVOKE ALL ON api_key, idempotency, schema_migrations FROM %I', role_name);
  RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'role % was not made: the migrating user may not', role_name;
  RETURN false;
END $$;

DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
  is_made boolean := make_reader(reader) AND make_reader(overseer);
  rule record;
BEGIN
  FOR rule IN SELECT * FROM (VALUES
    ('orders', 'sees(participant_id)'),
    ('order_terms', 'EXISTS (SELECT FROM orders AS o WHERE o.order_id = order_terms.order_id)'),
    ('order_event', 'EXISTS (SELECT FROM orders AS o WHERE o.order_id = order_event.order_id)'),
    ('allocation', 'sees(enterprise_id) OR sees(provider_id)'),
    ('delivered_period', 'EXISTS (SELECT FROM allocation AS a '
      'WHERE a.allocation_id = delivered_period.allocation_id)'),
    ('account', 'sees_account(account)'),
    ('account_entry', 'sees_account(account)'),
    ('journal_entry', 'EXISTS (SELECT FROM account_entry AS e '
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
    IF is_made THEN
      EXECUTE format('CREATE POLICY reader ON %I FOR SELECT TO %I USING (%s)',
        rule.name, reader, rule.using_sql);
      EXECUTE format('CREATE POLICY overseer ON %I FOR SELECT TO %I USING (true)',
        rule.name, overseer);
    END IF;
  END LOOP;
END $$;
DROP FUNCTION make_reader(text);

-- migrate:down
