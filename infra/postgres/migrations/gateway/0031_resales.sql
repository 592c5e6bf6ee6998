-- migrate:up
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30min';

-- Offers that resell an allocation are found by it; no other offer is in the index.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX order_terms_resale ON order_terms ((terms ->> 'resale_of'))
  WHERE terms ->> 'resale_of' IS NOT NULL;

-- migrate:down
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX order_terms_resale;
