-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Prices and use of links are told beside a round's file, as shares are, and judged with it.
-- squawk-ignore ban-drop-constraint
ALTER TABLE round_part DROP CONSTRAINT round_part_kinds;
ALTER TABLE round_part ADD CONSTRAINT round_part_kinds
CHECK (kind IN ('sealed', 'cleared', 'shares', 'prices', 'links', 'file')) NOT VALID;

-- Kind -> part -> digest of what a judged round was told with. A kind that is not there was not
-- judged; of one that is empty nothing was told.
ALTER TABLE verdict ADD COLUMN told jsonb NOT NULL DEFAULT '{}';
UPDATE verdict SET told = CASE
  WHEN shares_sha256 = '' THEN '{"shares": {}}'::jsonb
  ELSE jsonb_build_object('shares', jsonb_build_object('0', shares_sha256))
END
WHERE shares_sha256 IS NOT NULL;
-- squawk-ignore ban-drop-column
ALTER TABLE verdict DROP COLUMN shares_sha256;

-- Of rounds that are half read, what was passed over before is read again.
DELETE FROM round_part;
DELETE FROM consumer_offset WHERE topic = 'rounds';

-- migrate:down
