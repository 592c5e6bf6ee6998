-- migrate:up

-- Answers about the capacity of offers are kept like those about the money of demand.
ALTER TABLE early_hold ADD COLUMN first_period bigint NOT NULL DEFAULT 0;
ALTER TABLE early_hold ADD COLUMN reason jsonb;

-- migrate:down
ALTER TABLE early_hold DROP COLUMN reason;
ALTER TABLE early_hold DROP COLUMN first_period;
