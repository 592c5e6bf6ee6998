-- migrate:up
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30min';

-- What offers asked for beyond what is reserved for them, as it was answered; only added to. The
-- greatest number of an offer tells a copy of what was told before from what is told now.
CREATE TABLE capacity_raise (
  offer_id text NOT NULL,
  asked bigint NOT NULL CHECK (asked > 0),
  version integer NOT NULL CHECK (version > 1),
  chips bigint NOT NULL CHECK (chips > 0),
  first_period bigint NOT NULL,
  end_period bigint NOT NULL,
  stated bigint CHECK (stated > 0),
  held boolean NOT NULL,
  PRIMARY KEY (offer_id, asked)
);

-- What is reserved for an offer grows to no more than what it asked for and was given, of an
-- allocation while the hour is not settled. What there is of it is what was stated last.
CREATE OR REPLACE FUNCTION free_capacity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.offer_id INTO wrong FROM after_it AS n
    JOIN before_it AS o USING (offer_id, period)
    LEFT JOIN offer_period AS p USING (offer_id, period)
    WHERE n.capacity <> o.capacity OR n.chips < coalesce(p.allocated, 0) OR (
      (n.chips > o.chips OR n.stated <> o.stated) AND NOT EXISTS (
        SELECT FROM capacity_raise AS r
        WHERE r.offer_id = n.offer_id AND r.held AND n.chips <= greatest(r.chips, o.chips)
          AND n.period >= r.first_period AND n.period < r.end_period
          AND (n.stated = o.stated OR r.stated IS NOT NULL)
          AND (n.capacity LIKE '%/%' OR EXISTS (
            SELECT FROM open_period AS u
            WHERE u.allocation_id = n.capacity AND u.period = n.period
          ))
      )
    ) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'what is held for offer % is what it sold at least, and grows as it was given',
      wrong USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  UPDATE capacity AS c SET held = c.held - d.chips, chips = coalesce(d.stated, c.chips)
    FROM (
      SELECT o.capacity, o.period, sum(o.chips - n.chips) AS chips,
        max(n.stated) FILTER (WHERE n.stated <> o.stated) AS stated
      FROM before_it AS o JOIN after_it AS n USING (offer_id, period)
      GROUP BY o.capacity, o.period
    ) AS d
    WHERE c.capacity = d.capacity AND c.period = d.period;
  RETURN NULL;
END $$;

DO $$
DECLARE
  role_name text;
BEGIN
  EXECUTE format('ALTER FUNCTION free_capacity() SET search_path = %I, pg_temp', current_schema());
  role_name := current_schema() || '_writer';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT, INSERT ON capacity_raise TO %I', role_name);
    EXECUTE format('GRANT UPDATE (stated) ON capacity_hold TO %I', role_name);
  END IF;
  role_name := current_schema() || '_regulator';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT ON capacity_raise TO %I', role_name);
  END IF;
END $$;
CREATE TRIGGER capacity_raise_no_change BEFORE UPDATE OR DELETE ON capacity_raise
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER capacity_raise_no_truncate BEFORE TRUNCATE ON capacity_raise
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE capacity_raise ENABLE ALWAYS TRIGGER capacity_raise_no_change;
ALTER TABLE capacity_raise ENABLE ALWAYS TRIGGER capacity_raise_no_truncate;

-- migrate:down
DROP TABLE capacity_raise;
