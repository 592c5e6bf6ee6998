-- migrate:up
SET LOCAL lock_timeout = '30s';
SET LOCAL statement_timeout = '30min';

-- The allocation that an offer resells, beside its terms: what is read row by row for a participant
-- may not look for it by an expression over them, whose operator could tell of rows that it hides,
-- and looked at all of the participant's orders for each of its allocations instead.
ALTER TABLE order_terms ADD COLUMN resale_of text;
UPDATE order_terms SET resale_of = terms ->> 'resale_of' WHERE terms ->> 'resale_of' IS NOT NULL;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX order_terms_resale;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX order_terms_resale ON order_terms (resale_of) WHERE resale_of IS NOT NULL;

-- migrate:down
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX order_terms_resale;
ALTER TABLE order_terms DROP COLUMN resale_of;
