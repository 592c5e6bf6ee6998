-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What a case said when it was last told: one that the whole day does not show is told once more,
-- with it. Cases of before have none, and stay as they were told.
ALTER TABLE told_case ADD COLUMN body jsonb;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX told_case_day ON told_case (market_id, day);

-- migrate:down
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX told_case_day;
-- squawk-ignore ban-drop-column
ALTER TABLE told_case DROP COLUMN body;
