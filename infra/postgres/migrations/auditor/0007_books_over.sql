-- migrate:up
SET LOCAL lock_timeout = '30s';

-- An order that is over is not taken up at a start, but once a record names it again. It then has
-- to fit its own digest, which stands here; null of what every start takes up.
ALTER TABLE book_part ADD COLUMN over bytea CHECK (length(over) = 32);

-- What a start reads, however many orders are over.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX book_part_taken_up ON book_part (market_id) WHERE over IS NULL;

-- migrate:down
