-- migrate:up

-- Settlements, refused orders about money and terms of settlement, as the log tells them; the
-- journal with its hours, so that statements and invoices can be cut from it.
CREATE TABLE settlement (
  settlement_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  allocation_id text NOT NULL,
  market_id text NOT NULL,
  enterprise_id text NOT NULL,
  provider_id text NOT NULL,
  body jsonb NOT NULL,
  settled_at timestamptz NOT NULL
);
CREATE INDEX settlement_allocation ON settlement (allocation_id);
CREATE INDEX settlement_enterprise ON settlement (enterprise_id, seq DESC);
CREATE INDEX settlement_provider ON settlement (provider_id, seq DESC);

-- The journal entries of a settlement, and what takes one of them back (sign -1). Entries and
-- settlements come on two topics: whichever comes first makes the row, the other completes it.
CREATE TABLE settlement_entry (
  entry_id text PRIMARY KEY,
  purpose text NOT NULL,
  sign integer NOT NULL CHECK (sign IN (-1, 1)),
  leaf_index bigint,
  amount bigint,
  settlement_id text,
  enterprise_id text,
  provider_id text
);
CREATE INDEX settlement_entry_enterprise ON settlement_entry (enterprise_id, leaf_index);
CREATE INDEX settlement_entry_provider ON settlement_entry (provider_id, leaf_index);
CREATE INDEX settlement_entry_alone ON settlement_entry (leaf_index) WHERE settlement_id IS NULL;

-- What settling charges whom: positive is to be paid to the exchange. A provider is paid what was
-- delivered and charged the fee and the penalty; an enterprise is charged what was delivered, and
-- its fee, and gets compensation. A refund is no charge: it is money that was not used.
CREATE VIEW charge AS
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

CREATE TABLE money_refused (
  order_ref text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  participant_id text NOT NULL,
  body jsonb NOT NULL,
  refused_at timestamptz NOT NULL
);
CREATE INDEX money_refused_participant ON money_refused (participant_id, seq DESC);

CREATE TABLE settlement_terms (
  market_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  body jsonb NOT NULL,
  set_at timestamptz NOT NULL,
  PRIMARY KEY (market_id, version)
);

-- Hours of the market's clock that entries happened in. Every entry is counted, so a journal that
-- is still being read shows: it has fewer entries than its last leaf says.
CREATE TABLE journal_hour (
  hour bigint PRIMARY KEY,
  first_leaf bigint NOT NULL CHECK (first_leaf >= 0),
  last_leaf bigint NOT NULL CHECK (last_leaf >= first_leaf),
  entries bigint NOT NULL CHECK (entries >= 1)
);

-- Postings get what they lacked by being read again: everything here follows from the log.
TRUNCATE account_entry, account;
-- squawk-ignore adding-not-nullable-field, adding-required-field
ALTER TABLE account_entry ADD COLUMN occurred_at timestamptz NOT NULL;
ALTER TABLE account_entry ADD COLUMN pending_id text;
-- Lists go by the place in the log from now on, not by when a posting was read.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX account_entry_account;
CREATE INDEX account_entry_place ON account_entry (account, leaf_index DESC, line DESC);
CREATE INDEX account_entry_leaf ON account_entry (account, layer, leaf_index);
CREATE INDEX account_entry_reversal ON account_entry (pending_id) WHERE kind = 'reversal';
DELETE FROM consumer_offset WHERE topic IN ('journal-entries', 'policies');

-- migrate:down
