-- migrate:up
-- Records that were read while a round was cleared and that wait for what it did: their position is
-- passed, their verdict is to come. They are judged in the order in which they were read.
CREATE TABLE waiting_record (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  partition integer NOT NULL CHECK (partition >= 0),
  record_offset bigint NOT NULL CHECK (record_offset >= 0),
  timestamp_ms bigint NOT NULL,
  key bytea,
  value bytea,
  headers jsonb NOT NULL,
  UNIQUE (topic, partition, record_offset)
);

-- migrate:down
DROP TABLE waiting_record;
