-- migrate:up

-- Chips that rounds gave an account, for hours that are still to come: a largest share counts them.
CREATE TABLE held (
  participant_id text NOT NULL,
  pool text NOT NULL CHECK (pool LIKE '%/%'),
  first_period bigint NOT NULL CHECK (first_period >= 0),
  chips bigint [] NOT NULL CHECK (
    cardinality(chips) > 0
    AND array_position(chips, NULL) IS NULL
    AND 0 <= ALL (chips)
    AND chips[1] > 0
    AND chips[cardinality(chips)] > 0
  ),
  PRIMARY KEY (participant_id, pool)
);

-- migrate:down
DROP TABLE held;
