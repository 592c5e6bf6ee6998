-- migrate:up

-- Versions of offers as the log has them. Two amendments may claim one version, matching takes at
-- most one of them; the log position keeps them apart.
CREATE TABLE offer_version (
  offer_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  market_id text NOT NULL,
  provider_id text NOT NULL,
  pool text NOT NULL,
  start_period bigint NOT NULL,
  end_period bigint NOT NULL,
  chips bigint NOT NULL CHECK (chips >= 1),
  ask bigint NOT NULL CHECK (ask >= 0),
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  PRIMARY KEY (offer_id, version, log_partition, log_offset),
  CHECK (start_period < end_period)
);

CREATE TABLE round_booked (
  round_id text PRIMARY KEY,
  market_id text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 0),
  digest bytea NOT NULL CHECK (length(digest) = 32),
  records integer NOT NULL CHECK (records >= 0),
  payment bigint NOT NULL CHECK (payment >= 0),
  fee_ppm integer NOT NULL CHECK (fee_ppm BETWEEN 0 AND 1000000),
  market_time timestamptz NOT NULL,
  UNIQUE (market_id, seq)
);

CREATE TABLE allocation (
  id text PRIMARY KEY,
  round_id text NOT NULL REFERENCES round_booked (round_id),
  market_id text NOT NULL,
  demand_id text NOT NULL REFERENCES demand_hold (order_id),
  enterprise_id text NOT NULL REFERENCES participant (id),
  offer_id text NOT NULL,
  provider_id text NOT NULL REFERENCES participant (id),
  offer_version integer NOT NULL,
  pool text NOT NULL,
  payment bigint NOT NULL CHECK (payment >= 0),
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  UNIQUE (id, offer_id, offer_version)
);
CREATE INDEX allocation_round ON allocation (round_id);

CREATE TABLE allocation_period (
  allocation_id text NOT NULL,
  period bigint NOT NULL,
  offer_id text NOT NULL,
  offer_version integer NOT NULL,
  chips bigint NOT NULL CHECK (chips >= 1),
  price bigint NOT NULL CHECK (price >= 0),
  PRIMARY KEY (allocation_id, period),
  UNIQUE (allocation_id, period, chips, price),
  FOREIGN KEY (allocation_id, offer_id, offer_version)
    REFERENCES allocation (id, offer_id, offer_version)
);

-- What an offer has in a period, and what of it is allocated. Only the trigger below writes it.
CREATE TABLE offer_period (
  offer_id text NOT NULL,
  period bigint NOT NULL,
  chips bigint NOT NULL,
  allocated bigint NOT NULL CHECK (allocated >= 0),
  PRIMARY KEY (offer_id, period),
  CONSTRAINT offer_period_not_oversold CHECK (allocated <= chips)
) WITH (fillfactor = 70);

-- Allocating takes capacity in the same statement, so no code can do one without the other. The
-- capacity is that of the version named; a version that is not there, or has another window, has
-- none (NULL), which the table refuses.
CREATE FUNCTION take_capacity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
AS $$
BEGIN
  INSERT INTO offer_period AS o (offer_id, period, chips, allocated)
    SELECT n.offer_id, n.period,
      (SELECT max(v.chips) FROM offer_version AS v
        WHERE v.offer_id = n.offer_id AND v.version = max(n.offer_version)
          AND n.period >= v.start_period AND n.period < v.end_period),
      sum(n.chips)
    FROM added AS n GROUP BY n.offer_id, n.period ORDER BY n.offer_id, n.period
  ON CONFLICT (offer_id, period)
    DO UPDATE SET chips = EXCLUDED.chips, allocated = o.allocated + EXCLUDED.allocated;
  RETURN NULL;
END $$;

CREATE TRIGGER allocation_takes_capacity AFTER INSERT ON allocation_period
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION take_capacity();

CREATE TABLE delivery_booked (
  delivery_id text PRIMARY KEY,
  allocation_id text NOT NULL REFERENCES allocation (id),
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  amount bigint NOT NULL CHECK (amount >= 0),
  fee bigint NOT NULL CHECK (fee BETWEEN 0 AND amount),
  payment_id uuid UNIQUE REFERENCES transfer (id),
  fee_id uuid UNIQUE REFERENCES transfer (id),
  CHECK ((amount - fee > 0) = (payment_id IS NOT NULL)),
  CHECK ((fee > 0) = (fee_id IS NOT NULL))
);

-- A period of an allocation is paid at most once, for no more chips than were allocated.
CREATE TABLE period_paid (
  allocation_id text NOT NULL,
  period bigint NOT NULL,
  delivery_id text NOT NULL REFERENCES delivery_booked (delivery_id),
  chips bigint NOT NULL,
  price bigint NOT NULL,
  delivered bigint NOT NULL CHECK (delivered BETWEEN 1 AND chips),
  amount bigint GENERATED ALWAYS AS (delivered * price) STORED,
  PRIMARY KEY (allocation_id, period),
  FOREIGN KEY (allocation_id, period, chips, price)
    REFERENCES allocation_period (allocation_id, period, chips, price)
);

-- Records that wait: parts of a round that is not whole, deliveries of a round not yet booked.
CREATE TABLE waiting_record (
  topic text NOT NULL,
  partition integer NOT NULL,
  log_offset bigint NOT NULL,
  market_id text NOT NULL,
  timestamp_ms bigint NOT NULL,
  key bytea,
  value bytea,
  header_names text[] NOT NULL,
  header_values bytea[] NOT NULL,
  PRIMARY KEY (topic, partition, log_offset)
);

-- A market whose round broke a rule of the ledger: nothing more of it is booked until an operator
-- has looked and removed the row.
CREATE TABLE market_halt (
  market_id text PRIMARY KEY,
  round_id text NOT NULL,
  code text NOT NULL,
  problem text NOT NULL,
  halted_at timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE market_halt, waiting_record, period_paid, delivery_booked, offer_period,
  allocation_period, allocation, round_booked, offer_version;
DROP FUNCTION take_capacity;
