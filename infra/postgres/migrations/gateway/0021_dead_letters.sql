-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Who refused the record, and a number to list letters by.
ALTER TABLE dead_letter ADD COLUMN consumer text NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN seq bigint;
CREATE SEQUENCE dead_letter_number OWNED BY dead_letter.seq;
UPDATE dead_letter SET seq = numbered.n
FROM (
  SELECT log_partition, log_offset,
    nextval('dead_letter_number') AS n
  FROM (SELECT * FROM dead_letter ORDER BY buried_at, log_partition, log_offset) AS sorted
) AS numbered
WHERE dead_letter.log_partition = numbered.log_partition
  AND dead_letter.log_offset = numbered.log_offset;
ALTER TABLE dead_letter ALTER COLUMN seq SET DEFAULT nextval('dead_letter_number');
CREATE UNIQUE INDEX dead_letter_seq ON dead_letter (seq);

-- What the operator did about a letter: one thing, once. A letter that is sent again stands here
-- before the copy goes out, so that of two who press the button at once one learns of the other.
CREATE TABLE dead_letter_decision (
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  act text NOT NULL CHECK (act IN ('redriven', 'discarded')),
  reason text NOT NULL,
  decided_by text NOT NULL,
  decided_at timestamptz NOT NULL,
  sent_to text CHECK (act = 'redriven' OR sent_to IS NULL),
  PRIMARY KEY (log_partition, log_offset),
  FOREIGN KEY (log_partition, log_offset) REFERENCES dead_letter
);

-- Nothing of this is read with a participant's eyes.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles
    WHERE rolname IN (current_schema() || '_reader', current_schema() || '_overseer')
  LOOP
    EXECUTE format('REVOKE ALL ON dead_letter_decision FROM %I', name);
  END LOOP;
END
$$;

-- migrate:down
DROP TABLE dead_letter_decision;
ALTER TABLE dead_letter DROP COLUMN seq;
ALTER TABLE dead_letter DROP COLUMN consumer;
