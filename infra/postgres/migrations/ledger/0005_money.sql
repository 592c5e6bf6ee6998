-- migrate:up
-- Tables with data are altered here: rather fail, and leave nothing behind, than wait for a lock.
-- NOT VALID spares a look at the rows that are there, none of which can break the new rules: they
-- have the defaults, no debt, no reversal. New rows are checked all the same.
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30min';

-- Terms of settlement --------------------------------------------------------------------------

CREATE TABLE settlement_terms (
  market_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  from_seq bigint NOT NULL CHECK (from_seq >= 0),
  provider_fee_ppm integer NOT NULL CHECK (provider_fee_ppm BETWEEN 0 AND 1000000),
  enterprise_fee_ppm integer NOT NULL CHECK (enterprise_fee_ppm BETWEEN 0 AND 1000000),
  penalty_ppm integer NOT NULL CHECK (penalty_ppm BETWEEN 0 AND 1000000),
  compensation_ppm integer NOT NULL CHECK (compensation_ppm BETWEEN 0 AND 1000000),
  report_periods integer NOT NULL CHECK (report_periods >= 1),
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  PRIMARY KEY (market_id, version)
);

-- A round keeps the terms it was booked under; fee_ppm is what it takes of a provider's payment.
-- Rounds booked before had no other terms, and 72 hours is what goes without terms.
ALTER TABLE round_booked
  ADD COLUMN enterprise_fee_ppm integer NOT NULL DEFAULT 0,
  ADD COLUMN penalty_ppm integer NOT NULL DEFAULT 0,
  ADD COLUMN compensation_ppm integer NOT NULL DEFAULT 0,
  ADD COLUMN report_periods integer NOT NULL DEFAULT 72,
  ADD COLUMN terms_version integer,
  ADD CONSTRAINT round_booked_terms CHECK (
    enterprise_fee_ppm BETWEEN 0 AND 1000000 AND penalty_ppm BETWEEN 0 AND 1000000
    AND compensation_ppm BETWEEN 0 AND 1000000 AND report_periods >= 1
  ) NOT VALID,
  ADD CONSTRAINT round_booked_terms_known FOREIGN KEY (market_id, terms_version)
    REFERENCES settlement_terms (market_id, version) NOT VALID;

-- Orders about money: booked or refused, once and for good.
CREATE TABLE money_order (
  order_ref text PRIMARY KEY,
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  transfer_id uuid UNIQUE REFERENCES transfer (id),
  refusal text,
  CHECK ((transfer_id IS NULL) = (refusal IS NOT NULL))
);

-- Accounts and reversals -----------------------------------------------------------------------

-- Only the bank and debts may be below zero, and a debt is never above.
ALTER TABLE account
  ADD CONSTRAINT account_floor CHECK (floor_zero OR name = 'bank' OR name LIKE 'debt:%')
    NOT VALID,
  ADD CONSTRAINT account_debt CHECK (name NOT LIKE 'debt:%' OR credits_posted <= debits_posted)
    NOT VALID;

-- A reversal is the mirror image of a single movement, which the composite key compares.
-- squawk-ignore ban-drop-constraint
ALTER TABLE transfer DROP CONSTRAINT transfer_kind_check;
ALTER TABLE transfer
  ADD COLUMN reverses uuid,
  ADD COLUMN reverses_kind text CHECK (reverses_kind = 'single'),
  ADD CONSTRAINT transfer_kind_known
    CHECK (kind IN ('single', 'hold', 'post', 'void', 'expire', 'reversal')) NOT VALID,
  ADD CONSTRAINT transfer_names_reversed CHECK (
    (kind = 'reversal') = (reverses IS NOT NULL)
    AND (reverses IS NULL) = (reverses_kind IS NULL)
  ) NOT VALID,
  ADD CONSTRAINT transfer_mirrors FOREIGN KEY
    (reverses, reverses_kind, credit_id, debit_id, unit, amount, expires_at)
    REFERENCES transfer (id, kind, debit_id, credit_id, unit, amount, expires_at) NOT VALID;
CREATE UNIQUE INDEX transfer_reversed_once ON transfer (reverses) WHERE reverses IS NOT NULL;

CREATE OR REPLACE FUNCTION check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong uuid;
BEGIN
  SELECT transfer_id INTO wrong FROM added
    GROUP BY transfer_id, unit, layer HAVING sum(amount) <> 0 OR count(*) <> 2 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'postings of transfer % must sum to zero in each unit and layer', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  SELECT a.transfer_id INTO wrong FROM added AS a JOIN transfer AS t ON t.id = a.transfer_id
    WHERE a.amount IS DISTINCT FROM
      (CASE a.account_id WHEN t.debit_id THEN 1 WHEN t.credit_id THEN -1 END)
      * (CASE
          WHEN a.layer = 'posted' AND t.kind IN ('single', 'post', 'reversal') THEN t.amount
          WHEN a.layer = 'pending' AND t.kind = 'hold' THEN t.amount
          WHEN a.layer = 'pending' THEN -t.pending_amount
        END)
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'postings of transfer % must be what the transfer says', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

-- Settlements ----------------------------------------------------------------------------------

-- Periods whose money is in escrow. Only the triggers below write it: allocating opens a period,
-- settling closes it, and nothing else does.
CREATE TABLE open_period (
  allocation_id text NOT NULL,
  period bigint NOT NULL,
  market_id text NOT NULL,
  provider_id text NOT NULL,
  chips bigint NOT NULL CHECK (chips >= 1),
  price bigint NOT NULL CHECK (price >= 0),
  due bigint NOT NULL,
  PRIMARY KEY (allocation_id, period),
  FOREIGN KEY (allocation_id, period) REFERENCES allocation_period (allocation_id, period)
);
CREATE INDEX open_period_due ON open_period (market_id, due);
CREATE INDEX open_period_provider ON open_period (provider_id);

CREATE TABLE settlement (
  settlement_id text PRIMARY KEY,
  allocation_id text NOT NULL REFERENCES allocation (id),
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  lapsed boolean NOT NULL,
  paid bigint NOT NULL CHECK (paid >= 0),
  provider_fee bigint NOT NULL CHECK (provider_fee BETWEEN 0 AND paid),
  enterprise_fee bigint NOT NULL CHECK (enterprise_fee BETWEEN 0 AND paid),
  refund bigint NOT NULL CHECK (refund >= 0),
  penalty bigint NOT NULL CHECK (penalty BETWEEN 0 AND refund),
  compensation bigint NOT NULL CHECK (compensation >= 0),
  provider_owes bigint NOT NULL CHECK (provider_owes >= 0),
  enterprise_owes bigint NOT NULL CHECK (enterprise_owes BETWEEN 0 AND enterprise_fee),
  transfers uuid[] NOT NULL,
  CONSTRAINT settlement_penalty CHECK (compensation + provider_owes <= penalty),
  CONSTRAINT settlement_lapsed CHECK (NOT lapsed OR paid = 0)
);

CREATE TABLE settled_period (
  allocation_id text NOT NULL,
  period bigint NOT NULL,
  settlement_id text NOT NULL REFERENCES settlement (settlement_id),
  chips bigint NOT NULL,
  price bigint NOT NULL,
  delivered bigint NOT NULL CHECK (delivered BETWEEN 0 AND chips),
  PRIMARY KEY (allocation_id, period),
  FOREIGN KEY (allocation_id, period) REFERENCES allocation_period (allocation_id, period)
);

-- What was allocated before is open as far as it was not paid; the rest of a period that was paid
-- in part has been in escrow ever since, and now lapses like any other.
INSERT INTO open_period (allocation_id, period, market_id, provider_id, chips, price, due)
  SELECT p.allocation_id, p.period, a.market_id, a.provider_id,
    p.chips - coalesce(d.delivered, 0), p.price, p.period + 1 + r.report_periods
  FROM allocation_period AS p
  JOIN allocation AS a ON a.id = p.allocation_id
  JOIN round_booked AS r ON r.round_id = a.round_id
  LEFT JOIN period_paid AS d ON d.allocation_id = p.allocation_id AND d.period = p.period
  WHERE p.chips > coalesce(d.delivered, 0);

CREATE FUNCTION open_periods() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO open_period (allocation_id, period, market_id, provider_id, chips, price, due)
    SELECT n.allocation_id, n.period, a.market_id, a.provider_id, n.chips, n.price,
      n.period + 1 + r.report_periods
    FROM added AS n
    JOIN allocation AS a ON a.id = n.allocation_id
    JOIN round_booked AS r ON r.round_id = a.round_id;
  RETURN NULL;
END $$;
CREATE TRIGGER allocation_opens_periods AFTER INSERT ON allocation_period
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION open_periods();

-- A period is settled once, whole, at its price; a settlement is what its periods come to.
CREATE FUNCTION close_periods() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  wanted bigint;
  closed bigint;
  wrong text;
BEGIN
  SELECT count(*) INTO wanted FROM added;
  DELETE FROM open_period AS o USING added AS n
    WHERE o.allocation_id = n.allocation_id AND o.period = n.period
      AND o.chips = n.chips AND o.price = n.price;
  GET DIAGNOSTICS closed = ROW_COUNT;
  IF closed <> wanted THEN
    RAISE EXCEPTION 'only open periods are settled, whole and at their price, was % of %',
      closed, wanted USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  SELECT s.settlement_id INTO wrong FROM settlement AS s
    JOIN (
      SELECT p.settlement_id, sum(p.delivered * p.price) AS paid,
        sum((p.chips - p.delivered) * p.price) AS refund
      FROM settled_period AS p
      WHERE p.settlement_id IN (SELECT n.settlement_id FROM added AS n)
      GROUP BY p.settlement_id
    ) AS t ON t.settlement_id = s.settlement_id
    WHERE s.paid <> t.paid OR s.refund <> t.refund LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'settlement % must be what its periods come to', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE INDEX settled_period_settlement ON settled_period (settlement_id);
CREATE TRIGGER settling_closes_periods AFTER INSERT ON settled_period
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION close_periods();

-- Guards and rights, as of the tables before ---------------------------------------------------

DO $$
DECLARE
  name text;
  role_name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['settlement', 'settled_period', 'settlement_terms', 'money_order']
  LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I '
      'FOR EACH ROW EXECUTE FUNCTION refuse_change()',
      name || '_append_only', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_append_only');
  END LOOP;
  FOREACH name IN ARRAY ARRAY[
    'settlement', 'settled_period', 'settlement_terms', 'money_order', 'open_period'
  ] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
      name || '_no_truncate', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_truncate');
  END LOOP;
  FOREACH name IN ARRAY ARRAY['check_postings', 'open_periods', 'close_periods'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
  role_name := current_schema() || '_writer';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT, INSERT ON settlement, settled_period, settlement_terms, '
      'money_order TO %I', role_name);
    EXECUTE format('GRANT SELECT ON open_period TO %I', role_name);
    -- What was paid under the old rule is history.
    EXECUTE format('REVOKE INSERT ON delivery_booked, period_paid FROM %I', role_name);
  END IF;
  role_name := current_schema() || '_regulator';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT ON settlement, settled_period, settlement_terms, money_order, '
      'open_period TO %I', role_name);
  END IF;
END $$;
ALTER TABLE allocation_period ENABLE ALWAYS TRIGGER allocation_opens_periods;
ALTER TABLE settled_period ENABLE ALWAYS TRIGGER settling_closes_periods;

-- migrate:down
DROP TABLE settled_period, settlement, open_period, money_order;
