-- migrate:up

-- Append-only tables. ENABLE ALWAYS: the triggers also fire when session_replication_role says
-- "replica", which would switch ordinary ones off.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'leaf', 'checkpoint', 'transfer', 'posting', 'offer_version', 'round_booked', 'allocation',
    'allocation_period', 'delivery_booked', 'period_paid'
  ] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I '
      'FOR EACH ROW EXECUTE FUNCTION refuse_change()',
      name || '_append_only', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_append_only');
  END LOOP;
  FOREACH name IN ARRAY ARRAY[
    'leaf', 'checkpoint', 'transfer', 'posting', 'offer_version', 'round_booked', 'allocation',
    'allocation_period', 'delivery_booked', 'period_paid', 'account', 'participant',
    'offer_period', 'demand_hold'
  ] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
      name || '_no_truncate', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_truncate');
  END LOOP;
  FOREACH name IN ARRAY ARRAY['account', 'participant', 'offer_period', 'demand_hold'] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()',
      name || '_no_delete', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_delete');
  END LOOP;
END $$;
ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_balanced;
ALTER TABLE account ENABLE ALWAYS TRIGGER account_counters;
ALTER TABLE allocation_period ENABLE ALWAYS TRIGGER allocation_takes_capacity;

-- Whoever has the writer's credential may make temporary tables; without this a temporary table
-- named like one of ours would be what a trigger looks into.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['check_counters', 'check_postings', 'take_capacity'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
END $$;

-- A position in the log never goes back: what was read and committed is never booked again.
CREATE FUNCTION check_position() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.next_offset < OLD.next_offset OR NEW.epoch < OLD.epoch THEN
    RAISE EXCEPTION 'position of %/% must not go back from %, was %',
      OLD.topic, OLD.partition, OLD.next_offset, NEW.next_offset
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER consumer_offset_forward BEFORE UPDATE ON consumer_offset
  FOR EACH ROW EXECUTE FUNCTION check_position();

-- Three roles named after the schema: the service's writer owns nothing and may only add rows and
-- move counters; the regulator reads all; a participant sees its own rows. Where the migrating
-- user may not create roles, it keeps the writer's rights itself and the triggers still hold.
CREATE FUNCTION make_role(suffix text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  role_name text := current_schema() || suffix;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
  END IF;
  EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
  RETURN role_name;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'role % was not made: the migrating user may not', role_name;
  RETURN NULL;
END $$;

DO $$
DECLARE
  writer text := make_role('_writer');
  regulator text := make_role('_regulator');
  participant text := make_role('_participant');
  name text;
BEGIN
  IF writer IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA %I TO %I',
      current_schema(), writer);
    EXECUTE format('REVOKE INSERT ON offer_period FROM %I', writer);
    EXECUTE format('REVOKE ALL ON schema_migrations FROM %I', writer);
    EXECUTE format('GRANT UPDATE (debits_pending, credits_pending, debits_posted, '
      'credits_posted, version) ON account TO %I', writer);
    EXECUTE format('GRANT UPDATE (role, name, resource_code, status) ON participant TO %I', writer);
    EXECUTE format('GRANT UPDATE (version, need, amount, hold_id, closed, log_partition, '
      'log_offset) ON demand_hold TO %I', writer);
    EXECUTE format('GRANT DELETE ON waiting_record TO %I', writer);
    EXECUTE format('GRANT UPDATE ON consumer_offset, lease, outbox, outbox_head TO %I', writer);
    EXECUTE format('GRANT DELETE ON lease, outbox TO %I', writer);
  END IF;
  IF regulator IS NOT NULL THEN
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', current_schema(), regulator);
  END IF;
  IF participant IS NOT NULL THEN
    EXECUTE format('GRANT SELECT ON account, transfer, posting TO %I', participant);
  END IF;
  FOREACH name IN ARRAY ARRAY['account', 'transfer', 'posting'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY writer ON %I TO %I USING (true) WITH CHECK (true)',
      name, coalesce(writer, current_user));
    IF regulator IS NOT NULL THEN
      EXECUTE format('CREATE POLICY regulator ON %I FOR SELECT TO %I USING (true)',
        name, regulator);
    END IF;
  END LOOP;
  IF participant IS NOT NULL THEN
    -- An identity that is not set is NULL, which equals nothing: no row is seen.
    EXECUTE format('CREATE POLICY participant ON account FOR SELECT TO %I USING '
      '(participant_id = nullif(current_setting(''suanli.participant_id'', true), ''''))',
      participant);
    -- The policy on account applies inside these, so they need not say whose it is again.
    EXECUTE format('CREATE POLICY participant ON posting FOR SELECT TO %I USING '
      '(EXISTS (SELECT FROM account AS a WHERE a.id = posting.account_id))', participant);
    EXECUTE format('CREATE POLICY participant ON transfer FOR SELECT TO %I USING '
      '(EXISTS (SELECT FROM account AS a WHERE a.id IN (transfer.debit_id, transfer.credit_id)))',
      participant);
  END IF;
END $$;
DROP FUNCTION make_role(text);

-- migrate:down
DROP TRIGGER consumer_offset_forward ON consumer_offset;
DROP FUNCTION check_position;
