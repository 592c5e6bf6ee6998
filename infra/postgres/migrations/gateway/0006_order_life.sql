-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The place in the log of all that happened to an order, what was left of it and what was held for
-- it then. The topics are read again: what is there gets the columns, nothing is told twice.
ALTER TABLE order_event
  ADD COLUMN correlation text NOT NULL DEFAULT '',
  ADD COLUMN log_topic text,
  ADD COLUMN log_partition integer,
  ADD COLUMN log_offset bigint,
  ADD COLUMN chip_hours_allocated bigint,
  ADD COLUMN chip_hours_left bigint,
  ADD COLUMN held bigint;
ALTER TABLE allocation
  ADD COLUMN event_id text,
  ADD COLUMN correlation text NOT NULL DEFAULT '',
  ADD COLUMN log_partition integer,
  ADD COLUMN log_offset bigint,
  ADD COLUMN recorded_at timestamptz;
-- The schema follows from the log; its only writer waits for this, readers do not.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX account_entry_order ON account_entry (order_id)
WHERE order_id IS NOT NULL AND line = 0;
DELETE FROM consumer_offset
WHERE topic IN ('offers', 'demand', 'holds', 'order-status', 'allocations');

-- migrate:down
