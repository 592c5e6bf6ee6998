-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Allocations as they were told, and their settled hours: hour -> (settlement, chips, delivered).
ALTER TABLE allocation_bought ADD COLUMN told jsonb NOT NULL DEFAULT '{}';
ALTER TABLE allocation_bought ADD COLUMN settled jsonb NOT NULL DEFAULT '{}';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX allocation_bought_offer ON allocation_bought (offer_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX offer_terms_resale ON offer_terms ((terms ->> 'resale_of'))
WHERE terms ->> 'resale_of' IS NOT NULL;

-- What settling in a round follows from: the fee where there are no terms, and whether its file was
-- judged right, so that its premiums are here. Of rounds that were judged before it was not.
CREATE TABLE settling_round (
  round_id text PRIMARY KEY,
  fee_ppm bigint,
  judged boolean NOT NULL DEFAULT false
);
CREATE TABLE settling_premium (
  allocation_id text PRIMARY KEY,
  hours jsonb NOT NULL
);
CREATE TABLE settling_terms (
  market_id text NOT NULL,
  version bigint NOT NULL,
  terms jsonb NOT NULL,
  PRIMARY KEY (market_id, version)
);

-- Settlements that were told and not judged yet, in the order of the log.
CREATE TABLE settlement_waiting (
  market_id text NOT NULL,
  place bigint NOT NULL,
  told jsonb NOT NULL,
  PRIMARY KEY (market_id, place)
);

-- Entries that settle something, until their settlement was judged.
CREATE TABLE settling_entry (
  entry_id text PRIMARY KEY,
  market_id text NOT NULL,
  leaf_index bigint NOT NULL,
  purpose text NOT NULL,
  debit text NOT NULL,
  credit text NOT NULL,
  amount bigint NOT NULL
);
-- Ids of entries that may still come of settlements that are not judged.
CREATE TABLE settling_passed (entry_id text PRIMARY KEY);
CREATE INDEX settling_entry_market ON settling_entry (market_id, leaf_index);

-- All allocations are read again, as they were told.
TRUNCATE allocation_bought;
DELETE FROM consumer_offset WHERE topic = 'allocations';

-- migrate:down
