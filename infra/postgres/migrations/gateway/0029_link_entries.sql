-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What booked rounds charged demands for links, one row for each entry of the journal. Their
-- postings are on accounts of the market; whose charge it is, the capture of the same demand and
-- round says. Whichever of the two is read first, the other completes the row.
CREATE TABLE link_entry (
  entry_id text PRIMARY KEY,
  purpose text NOT NULL CHECK (purpose IN ('link_tariff', 'link_rent')),
  leaf_index bigint NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  market_id text NOT NULL,
  round_id text NOT NULL,
  order_id text NOT NULL,
  enterprise_id text,
  UNIQUE (order_id, round_id, purpose)
);
CREATE INDEX link_entry_enterprise ON link_entry (enterprise_id, leaf_index);
CREATE INDEX link_entry_alone ON link_entry (order_id, round_id) WHERE enterprise_id IS NULL;

-- What was read before.
INSERT INTO link_entry
  (entry_id, purpose, leaf_index, amount, market_id, round_id, order_id, enterprise_id)
SELECT l.entry_id, l.purpose, l.leaf_index, abs(l.amount), l.market_id, l.round_id, l.order_id, (
  SELECT substr(c.account, length('cny:') + 1) FROM account_entry AS c
  WHERE c.order_id = l.order_id AND c.round_id = l.round_id AND c.purpose = 'hold_captured'
    AND c.line = 0)
FROM account_entry AS l
WHERE l.line = 0 AND l.purpose IN ('link_tariff', 'link_rent');

-- Postings as statements show them: of a capture, the parts that pay for links.
CREATE VIEW statement_posting WITH (security_invoker = true) AS
SELECT e.leaf_index, e.account, e.entry_id, e.kind, e.purpose, e.amount, e.balance_after,
  CASE WHEN e.purpose = 'hold_captured' THEN COALESCE((
    SELECT l.amount FROM link_entry AS l
    WHERE l.order_id = e.order_id AND l.round_id = e.round_id AND l.purpose = 'link_tariff'
  ), 0) ELSE 0 END AS link_tariff,
  CASE WHEN e.purpose = 'hold_captured' THEN COALESCE((
    SELECT l.amount FROM link_entry AS l
    WHERE l.order_id = e.order_id AND l.round_id = e.round_id AND l.purpose = 'link_rent'
  ), 0) ELSE 0 END AS link_rent,
  e.market_id, e.round_id, e.order_id, e.occurred_at, e.recorded_at
FROM account_entry AS e
WHERE e.layer = 'posted';

-- What settling charges whom: the same as before, and to an enterprise what its rounds charged it
-- for links, of a demand and round instead of a settlement.
CREATE OR REPLACE VIEW charge WITH (security_invoker = true) AS
SELECT s.provider_id AS participant_id, s.leaf_index, s.settlement_id, c.item,
  c.charge * s.sign * s.amount AS amount,
  NULL::text AS market_id, NULL::text AS round_id, NULL::text AS order_id
FROM settlement_entry AS s
JOIN (VALUES
  ('delivery_paid', 'delivered', -1),
  ('fee', 'delivered', -1),
  ('fee', 'fee', 1),
  ('compensation', 'penalty', 1),
  ('penalty', 'penalty', 1),
  ('penalty_owed', 'penalty', 1),
  ('premium_credit', 'premium', -1),
  ('premium_charge', 'premium', 1),
  ('premium_missed', 'premium', 1),
  ('premium_owed', 'premium', 1)
) AS c (purpose, item, charge) ON c.purpose = s.purpose
UNION ALL
SELECT s.enterprise_id AS participant_id, s.leaf_index, s.settlement_id, c.item,
  c.charge * s.sign * s.amount AS amount,
  NULL::text AS market_id, NULL::text AS round_id, NULL::text AS order_id
FROM settlement_entry AS s
JOIN (VALUES
  ('delivery_paid', 'delivered', 1),
  ('fee', 'delivered', 1),
  ('enterprise_fee', 'fee', 1),
  ('enterprise_fee_owed', 'fee', 1),
  ('compensation', 'compensation', -1)
) AS c (purpose, item, charge) ON c.purpose = s.purpose
UNION ALL
SELECT l.enterprise_id AS participant_id, l.leaf_index, NULL::text AS settlement_id,
  l.purpose AS item, l.amount, l.market_id, l.round_id, l.order_id
FROM link_entry AS l;

-- Requests read in roles of their own (0007).
DO $$
DECLARE
  reader text := current_schema() || '_reader';
  overseer text := current_schema() || '_overseer';
BEGIN
  ALTER TABLE link_entry ENABLE ROW LEVEL SECURITY;
  ALTER TABLE link_entry FORCE ROW LEVEL SECURITY;
  EXECUTE format('CREATE POLICY service ON link_entry TO %I USING (true) WITH CHECK (true)',
    current_user);
  IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN (reader, overseer)) THEN
    EXECUTE format('CREATE POLICY reader ON link_entry FOR SELECT TO %I '
      'USING (sees(enterprise_id))', reader);
    EXECUTE format('CREATE POLICY overseer ON link_entry FOR SELECT TO %I USING (true)',
      overseer);
  END IF;
END $$;

-- migrate:down
-- squawk-ignore ban-drop-view
DROP VIEW statement_posting, charge;
CREATE VIEW charge WITH (security_invoker = true) AS
SELECT s.provider_id AS participant_id, s.leaf_index, s.settlement_id, c.item,
  c.charge * s.sign * s.amount AS amount
FROM settlement_entry AS s
JOIN (VALUES
  ('delivery_paid', 'delivered', -1),
  ('fee', 'delivered', -1),
  ('fee', 'fee', 1),
  ('compensation', 'penalty', 1),
  ('penalty', 'penalty', 1),
  ('penalty_owed', 'penalty', 1),
  ('premium_credit', 'premium', -1),
  ('premium_charge', 'premium', 1),
  ('premium_missed', 'premium', 1),
  ('premium_owed', 'premium', 1)
) AS c (purpose, item, charge) ON c.purpose = s.purpose
UNION ALL
SELECT s.enterprise_id AS participant_id, s.leaf_index, s.settlement_id, c.item,
  c.charge * s.sign * s.amount AS amount
FROM settlement_entry AS s
JOIN (VALUES
  ('delivery_paid', 'delivered', 1),
  ('fee', 'delivered', 1),
  ('enterprise_fee', 'fee', 1),
  ('enterprise_fee_owed', 'fee', 1),
  ('compensation', 'compensation', -1)
) AS c (purpose, item, charge) ON c.purpose = s.purpose;
DROP TABLE link_entry;
