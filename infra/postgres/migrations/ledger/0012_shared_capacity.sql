-- migrate:up
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30min';

-- The capacity that an offer shares with others, in whatever markets they are: a resource of its
-- provider in a pool. NULL is a capacity of its own, which the offer alone states.
ALTER TABLE offer_version ADD COLUMN capacity text;

-- What there is of a shared capacity in a period, and what of it is reserved for offers. Only the
-- triggers below write it.
CREATE TABLE capacity (
  capacity text NOT NULL,
  period bigint NOT NULL,
  chips bigint NOT NULL,
  held bigint NOT NULL CHECK (held >= 0),
  PRIMARY KEY (capacity, period),
  CONSTRAINT capacity_not_oversold CHECK (held <= chips)
) WITH (fillfactor = 70);

-- What is reserved for an offer, whether it is sold or not. It only ever shrinks, to no less than
-- what is sold.
CREATE TABLE capacity_hold (
  offer_id text NOT NULL,
  period bigint NOT NULL,
  capacity text NOT NULL,
  stated bigint NOT NULL CHECK (stated >= 0),
  chips bigint NOT NULL CHECK (chips >= 0),
  PRIMARY KEY (offer_id, period)
) WITH (fillfactor = 70);
CREATE INDEX capacity_hold_capacity ON capacity_hold (capacity, period);

CREATE FUNCTION hold_capacity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.offer_id INTO wrong FROM added AS n WHERE NOT EXISTS (
    SELECT FROM offer_version AS v
    WHERE v.offer_id = n.offer_id AND v.version = 1 AND v.capacity = n.capacity
  ) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'capacity is held for the offer that names it, was offer %', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO capacity AS c (capacity, period, chips, held)
    SELECT n.capacity, n.period, max(n.stated), sum(n.chips)
    FROM added AS n GROUP BY n.capacity, n.period ORDER BY n.capacity, n.period
  ON CONFLICT (capacity, period)
    DO UPDATE SET chips = EXCLUDED.chips, held = c.held + EXCLUDED.held;
  RETURN NULL;
END $$;
CREATE TRIGGER capacity_is_held AFTER INSERT ON capacity_hold
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION hold_capacity();

CREATE FUNCTION free_capacity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.offer_id INTO wrong FROM after_it AS n
    JOIN before_it AS o USING (offer_id, period)
    LEFT JOIN offer_period AS p USING (offer_id, period)
    WHERE n.chips > o.chips OR n.chips < coalesce(p.allocated, 0) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'what is held for offer % only shrinks, to no less than what it sold', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  UPDATE capacity AS c SET held = c.held - d.chips
    FROM (
      SELECT o.capacity, o.period, sum(o.chips - n.chips) AS chips
      FROM before_it AS o JOIN after_it AS n USING (offer_id, period)
      GROUP BY o.capacity, o.period
    ) AS d
    WHERE c.capacity = d.capacity AND c.period = d.period;
  RETURN NULL;
END $$;
CREATE TRIGGER capacity_is_freed AFTER UPDATE ON capacity_hold
  REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
  FOR EACH STATEMENT EXECUTE FUNCTION free_capacity();

-- After the trigger that takes the offer's own capacity, as triggers fire by name.
CREATE FUNCTION check_held() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.offer_id INTO wrong
    FROM (SELECT DISTINCT a.offer_id, a.period FROM added AS a) AS n
    JOIN offer_version AS v ON v.offer_id = n.offer_id AND v.version = 1
      AND v.capacity IS NOT NULL
    JOIN offer_period AS p ON p.offer_id = n.offer_id AND p.period = n.period
    LEFT JOIN capacity_hold AS h ON h.offer_id = n.offer_id AND h.period = n.period
    WHERE p.allocated > coalesce(h.chips, 0) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'offer % sells no more of a shared capacity than is held for it', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER allocation_within_held AFTER INSERT ON allocation_period
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION check_held();

DO $$
DECLARE
  name text;
  role_name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['capacity', 'capacity_hold'] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()',
      name || '_no_delete', name);
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
      name || '_no_truncate', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_delete');
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_truncate');
  END LOOP;
  FOREACH name IN ARRAY ARRAY['hold_capacity', 'free_capacity', 'check_held'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
  role_name := current_schema() || '_writer';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT, INSERT ON capacity_hold TO %I', role_name);
    EXECUTE format('GRANT UPDATE (chips) ON capacity_hold TO %I', role_name);
    EXECUTE format('GRANT SELECT ON capacity TO %I', role_name);
  END IF;
  role_name := current_schema() || '_regulator';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT ON capacity, capacity_hold TO %I', role_name);
  END IF;
END $$;
ALTER TABLE capacity_hold ENABLE ALWAYS TRIGGER capacity_is_held;
ALTER TABLE capacity_hold ENABLE ALWAYS TRIGGER capacity_is_freed;
ALTER TABLE allocation_period ENABLE ALWAYS TRIGGER allocation_within_held;

-- migrate:down
DROP TABLE capacity_hold, capacity;
DROP TRIGGER allocation_within_held ON allocation_period;
DROP FUNCTION hold_capacity, free_capacity, check_held;
ALTER TABLE offer_version DROP COLUMN capacity;
