-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Highest price above the tariff that any round found for the period: congestion is of the same
-- rounds as its rent. Of rounds before this, the latest one's and the average of all are known.
ALTER TABLE link_period ADD COLUMN surcharge_max bigint NOT NULL DEFAULT 0
  CHECK (surcharge_max >= 0);
UPDATE link_period SET surcharge_max = greatest(
  price - tariff, CASE WHEN used_total > 0 THEN ceil(rent_total / used_total) ELSE 0 END
);

-- migrate:down
ALTER TABLE link_period DROP COLUMN surcharge_max;
