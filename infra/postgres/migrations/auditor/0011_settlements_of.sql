-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Whether a settlement of an allocation waits: what was sold on is judged by what came of it.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX settlement_waiting_of ON settlement_waiting ((told ->> 'allocation_id'));

-- migrate:down
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX settlement_waiting_of;
