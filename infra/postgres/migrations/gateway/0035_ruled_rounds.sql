-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Whether the book of a round names policies, told by its file once that is whole; null before,
-- and for files that were whole before this migration: of those the known policies tell.
ALTER TABLE round ADD COLUMN is_ruled boolean;

-- migrate:down
ALTER TABLE round DROP COLUMN is_ruled;
