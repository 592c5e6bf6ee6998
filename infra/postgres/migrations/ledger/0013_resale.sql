-- migrate:up
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30min';

-- The allocation that an allocation was sold on from, and how many sales it is away from the
-- chips. A chain is bounded, so that settling one hour of it is.
ALTER TABLE allocation
  ADD COLUMN resale_of text,
  ADD COLUMN links integer NOT NULL DEFAULT 1,
  ADD CONSTRAINT allocation_resale FOREIGN KEY (resale_of) REFERENCES allocation (id) NOT VALID,
  ADD CONSTRAINT allocation_links CHECK (
    links BETWEEN 1 AND 8 AND (links > 1) = (resale_of IS NOT NULL)
  ) NOT VALID;
CREATE INDEX allocation_resold ON allocation (resale_of) WHERE resale_of IS NOT NULL;

-- Whether a version of a demand ever was interruptible; NULL where it is not known. What such
-- demand was given is not sold on: it was cheap because it yields.
ALTER TABLE demand_hold ADD COLUMN interruptible boolean;

-- A resale is sold by who bought what it resells, one sale further down the chain.
CREATE FUNCTION check_resale() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.id INTO wrong FROM added AS n
    JOIN offer_version AS v ON v.offer_id = n.offer_id AND v.version = 1
    LEFT JOIN allocation AS a ON a.id = n.resale_of
    WHERE n.resale_of IS DISTINCT FROM (CASE WHEN v.capacity NOT LIKE '%/%' THEN v.capacity END)
      OR (n.resale_of IS NOT NULL AND (a.enterprise_id, a.pool, a.links + 1)
        IS DISTINCT FROM (n.provider_id, n.pool, n.links))
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'allocation % must resell what its offer says, bought by its provider', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER allocation_resells AFTER INSERT ON allocation
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION check_resale();

-- Of an allocation there is what it has in an hour that is not settled, to who bought it.
CREATE OR REPLACE FUNCTION hold_capacity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.offer_id INTO wrong FROM added AS n WHERE NOT EXISTS (
    SELECT FROM offer_version AS v
    WHERE v.offer_id = n.offer_id AND v.version = 1 AND v.capacity = n.capacity
      AND (v.capacity LIKE '%/%' OR EXISTS (
        SELECT FROM allocation AS a
        JOIN allocation_period AS p ON p.allocation_id = a.id AND p.period = n.period
        JOIN open_period AS o ON o.allocation_id = a.id AND o.period = n.period
        WHERE a.id = v.capacity AND a.enterprise_id = v.provider_id AND a.pool = v.pool
          AND p.chips = n.stated
      ))
  ) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'capacity is held for the offer that names it and may, was offer %', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO capacity AS c (capacity, period, chips, held)
    SELECT n.capacity, n.period, max(n.stated), sum(n.chips)
    FROM added AS n GROUP BY n.capacity, n.period ORDER BY n.capacity, n.period
  ON CONFLICT (capacity, period)
    DO UPDATE SET chips = EXCLUDED.chips, held = c.held + EXCLUDED.held;
  RETURN NULL;
END $$;

DO $$
DECLARE
  name text;
  role_name text := current_schema() || '_writer';
BEGIN
  FOREACH name IN ARRAY ARRAY['check_resale', 'hold_capacity'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT UPDATE (interruptible) ON demand_hold TO %I', role_name);
  END IF;
END $$;
ALTER TABLE allocation ENABLE ALWAYS TRIGGER allocation_resells;

-- migrate:down
DROP TRIGGER allocation_resells ON allocation;
DROP FUNCTION check_resale;
ALTER TABLE demand_hold DROP COLUMN interruptible;
ALTER TABLE allocation DROP COLUMN links, DROP COLUMN resale_of;
