-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What each allocation gave: it may be sold on in any market, also after its money is settled.
CREATE TABLE allocation_bought (
  allocation_id text PRIMARY KEY,
  enterprise_id text NOT NULL,
  offer_id text NOT NULL,
  pool text NOT NULL,
  hours jsonb NOT NULL
);

-- Chips sold of what offers share, over all markets: a provider's resource, or an allocation that
-- is sold on; and the largest number that an offer which sold some of them stated, or what was
-- bought. More may have been sold than that: it is a finding then, not a breach here.
CREATE TABLE capacity_shared (
  capacity text NOT NULL,
  hour text NOT NULL,
  sold bigint NOT NULL CHECK (sold >= 0),
  most bigint NOT NULL CHECK (most >= 0),
  PRIMARY KEY (capacity, hour)
);

-- All allocations are read again, so that what was bought before is known.
DELETE FROM consumer_offset WHERE topic = 'allocations';

-- migrate:down
