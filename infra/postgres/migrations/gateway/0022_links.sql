-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Which rounds' links were added up, so that one that is told again is not counted twice.
CREATE TABLE round_link (
  market_id text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  source text NOT NULL,
  destination text NOT NULL,
  PRIMARY KEY (market_id, seq, source, destination)
);

-- A link in a period of delivery: as the latest round left it, and over all rounds.
CREATE TABLE link_period (
  market_id text NOT NULL,
  source text NOT NULL,
  destination text NOT NULL,
  period bigint NOT NULL,
  seq bigint NOT NULL,
  tariff bigint NOT NULL,
  price bigint NOT NULL,
  used bigint NOT NULL,
  capacity bigint NOT NULL,
  used_total bigint NOT NULL,
  rent_total numeric(38, 0) NOT NULL,
  PRIMARY KEY (market_id, source, destination, period)
);
CREATE INDEX link_period_time ON link_period (market_id, period);

-- migrate:down
DROP TABLE link_period;
DROP TABLE round_link;
