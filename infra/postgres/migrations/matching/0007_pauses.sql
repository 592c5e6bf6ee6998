-- migrate:up
SET LOCAL lock_timeout = '30s';

-- The pause that a round's prices brought about, as the log tells it; null for all other rounds.
ALTER TABLE round ADD COLUMN paused jsonb;

-- migrate:down
