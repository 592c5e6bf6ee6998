-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What domestic shares asked of rounds and what came of it, as the log tells it.
CREATE TABLE round_share (
  market_id text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  body jsonb NOT NULL,
  PRIMARY KEY (market_id, seq)
);
CREATE INDEX round_share_latest ON round_share (seq, market_id);

-- What settling charges whom: the same as before, and to a provider the premium of a share.
CREATE OR REPLACE VIEW charge WITH (security_invoker = true) AS
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

-- migrate:down
CREATE OR REPLACE VIEW charge WITH (security_invoker = true) AS
SELECT s.provider_id AS participant_id, s.leaf_index, s.settlement_id, c.item,
  c.charge * s.sign * s.amount AS amount
FROM settlement_entry AS s
JOIN (VALUES
  ('delivery_paid', 'delivered', -1),
  ('fee', 'delivered', -1),
  ('fee', 'fee', 1),
  ('compensation', 'penalty', 1),
  ('penalty', 'penalty', 1),
  ('penalty_owed', 'penalty', 1)
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
DROP TABLE round_share;
