-- migrate:up
-- Declared needs as the log tells them; each event fills columns of its own, in any order.
CREATE TABLE mobilisation (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mobilisation_id text NOT NULL UNIQUE CHECK (mobilisation_id ~ '^mob_[a-z2-7]{26}$'),
  market_id text NOT NULL,
  terms jsonb,
  proposed_by text,
  proposed_at timestamptz,
  declared_by text,
  declared_at timestamptz,
  ended_by text,
  ended_at timestamptz,
  ended_reason text
);
CREATE INDEX mobilisation_by_market ON mobilisation (market_id, seq);

-- What each urgent round gave.
CREATE TABLE mobilisation_round (
  round_id text PRIMARY KEY,
  mobilisation_id text NOT NULL,
  market_id text NOT NULL,
  market_time timestamptz NOT NULL,
  price_cap bigint NOT NULL CHECK (price_cap >= 0),
  demands bigint NOT NULL CHECK (demands >= 0),
  demands_served bigint NOT NULL CHECK (demands_served BETWEEN 0 AND demands),
  chip_hours bigint NOT NULL CHECK (chip_hours >= 0),
  reserve_chip_hours bigint NOT NULL CHECK (reserve_chip_hours BETWEEN 0 AND chip_hours),
  payment bigint NOT NULL CHECK (payment >= 0),
  price_max bigint NOT NULL CHECK (price_max >= 0)
);
CREATE INDEX mobilisation_round_by_id ON mobilisation_round (mobilisation_id);
CREATE INDEX mobilisation_round_by_time ON mobilisation_round (market_id, market_time);

-- What the urgent rounds of a cycle cost other demand, by the ordinary round that followed.
CREATE TABLE mobilisation_displaced (
  round_id text PRIMARY KEY,
  market_id text NOT NULL,
  market_time timestamptz NOT NULL,
  mobilisations text[] NOT NULL,
  status text NOT NULL,
  welfare bigint NOT NULL,
  welfare_without bigint NOT NULL,
  demands bigint NOT NULL CHECK (demands >= 0),
  chip_hours bigint NOT NULL CHECK (chip_hours >= 0),
  value bigint NOT NULL CHECK (value >= 0),
  displaced jsonb NOT NULL
);
CREATE INDEX mobilisation_displaced_by_time ON mobilisation_displaced (market_id, market_time);

-- migrate:down
DROP TABLE mobilisation_displaced;
DROP TABLE mobilisation_round;
DROP TABLE mobilisation;
