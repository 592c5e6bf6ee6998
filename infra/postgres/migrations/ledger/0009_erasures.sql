-- The table is as long as there were erasures by hand: few rows, if any.
-- squawk-ignore-file adding-field-with-default, disallowed-unique-constraint
-- squawk-ignore-file adding-foreign-key-constraint
-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Orders to erase an entry: done or refused, once and for good.
CREATE TABLE erasure_order (
  erasure_id text PRIMARY KEY,
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  refusal text
);

-- Which order it was; NULL where the owner erased by hand, which is told to nobody. The number is
-- the order in which erasures are published.
ALTER TABLE erasure
  ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY,
  ADD COLUMN erasure_id text UNIQUE REFERENCES erasure_order (erasure_id);
CREATE INDEX erasure_seq ON erasure (seq);
ALTER TABLE journal_sent ADD COLUMN erasures_sent bigint NOT NULL DEFAULT 0;

-- Of a leaf the salt and the cause go: who asked for it is no business of the sums either.
CREATE OR REPLACE FUNCTION check_leaf_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.opening IS NOT NULL AND NEW.opening IS NULL
    AND EXISTS (SELECT FROM erasure AS e WHERE e.idx = OLD.idx)
  THEN
    OLD.opening := NULL;
    IF NEW.cause IS NULL THEN
      OLD.cause := NULL;
    END IF;
    IF NEW IS NOT DISTINCT FROM OLD THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION '% of leaf is refused: of a leaf only the opening is ever erased, with a reason',
    TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- The writer may not touch a leaf; it may ask for this, which looks again at all that was decided.
-- What it erases stays named in `erasure`, which nobody changes.
CREATE FUNCTION erase_entry(by_order text, of_entry uuid, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  at bigint;
BEGIN
  SELECT l.idx INTO at
  FROM transfer_key AS k
  JOIN leaf AS l ON l.idx = k.leaf_idx
  JOIN transfer AS t ON t.leaf_idx = l.idx
  JOIN account AS d ON d.id = t.debit_id
  JOIN account AS c ON c.id = t.credit_id
  LEFT JOIN transfer_key AS q ON q.id = t.reverses
  LEFT JOIN transfer AS r ON r.leaf_idx = q.leaf_idx
  WHERE k.id = of_entry AND l.opening IS NOT NULL
    -- A reversal is what it takes back.
    AND coalesce(r.purpose, t.purpose) IN
      ('deposit', 'withdrawal', 'collateral_in', 'collateral_out', 'debt_collected')
    AND (d.participant_id IS NOT NULL OR d.name = 'bank')
    AND (c.participant_id IS NOT NULL OR c.name = 'bank')
    AND d.version > l.debit_version AND c.version > l.credit_version;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry % must be one that can be erased', of_entry
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO erasure (idx, reason, erasure_id) VALUES (at, why, by_order);
  UPDATE leaf SET opening = NULL, cause = NULL WHERE idx = at;
END $$;
REVOKE EXECUTE ON FUNCTION erase_entry FROM PUBLIC;

CREATE OR REPLACE FUNCTION check_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.next_idx < OLD.next_idx OR NEW.erasures_sent < OLD.erasures_sent THEN
    RAISE EXCEPTION 'what was sent must not go back from % and %, was % and %', OLD.next_idx,
      OLD.erasures_sent, NEW.next_idx, NEW.erasures_sent
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- For the owner: let a login that owns nothing act as the ledger.
CREATE FUNCTION admit_login(login text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('GRANT %I, %I TO %I',
    current_schema() || '_writer', current_schema() || '_regulator', login);
END $$;
REVOKE EXECUTE ON FUNCTION admit_login FROM PUBLIC;

DO $$
DECLARE
  role_name text;
BEGIN
  EXECUTE format('ALTER FUNCTION erase_entry SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION check_leaf_change() SET search_path = %I, pg_temp',
    current_schema());
  CREATE TRIGGER erasure_order_append_only BEFORE UPDATE OR DELETE ON erasure_order
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER erasure_order_no_truncate BEFORE TRUNCATE ON erasure_order
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
  ALTER TABLE erasure_order ENABLE ALWAYS TRIGGER erasure_order_append_only;
  ALTER TABLE erasure_order ENABLE ALWAYS TRIGGER erasure_order_no_truncate;
  role_name := current_schema() || '_writer';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT, INSERT ON erasure_order TO %I', role_name);
    EXECUTE format('GRANT UPDATE (erasures_sent) ON journal_sent TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION erase_entry TO %I', role_name);
    -- So that it can see that the schema is up to date.
    EXECUTE format('GRANT SELECT ON schema_migrations TO %I', role_name);
  END IF;
  role_name := current_schema() || '_regulator';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT ON erasure_order TO %I', role_name);
  END IF;
END $$;

-- migrate:down
