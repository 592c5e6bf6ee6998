-- migrate:up

-- What a provider receives for a period beside the price, by the premium of a domestic share: a
-- charge is negative, and at most the price.
ALTER TABLE allocation_period ADD COLUMN premium bigint NOT NULL DEFAULT 0;
ALTER TABLE allocation_period
  ADD CONSTRAINT allocation_period_premium CHECK (premium >= -(chips * price)) NOT VALID;

-- Beside the bank and debts, what imported supply is still to be charged may be below zero, and is
-- never above. The fund that credits are paid from, `policy:`, has the floor of all others.
-- squawk-ignore ban-drop-constraint
ALTER TABLE account DROP CONSTRAINT account_floor;
ALTER TABLE account
  ADD CONSTRAINT account_floor CHECK (
    floor_zero OR name = 'bank' OR name LIKE 'debt:%' OR name LIKE 'premiums:%'
  ) NOT VALID,
  ADD CONSTRAINT account_premiums CHECK (
    name NOT LIKE 'premiums:%' OR credits_posted <= debits_posted
  ) NOT VALID;

-- migrate:down
-- squawk-ignore ban-drop-constraint
ALTER TABLE account DROP CONSTRAINT account_premiums;
-- squawk-ignore ban-drop-constraint
ALTER TABLE account DROP CONSTRAINT account_floor;
ALTER TABLE account
  ADD CONSTRAINT account_floor CHECK (floor_zero OR name = 'bank' OR name LIKE 'debt:%') NOT VALID;
ALTER TABLE allocation_period DROP COLUMN premium;
