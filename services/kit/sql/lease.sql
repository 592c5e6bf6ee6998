-- Who may write; the epoch goes up with every take-over and never down.
CREATE TABLE lease (
  name text PRIMARY KEY,
  epoch bigint NOT NULL CHECK (epoch >= 1),
  holder text NOT NULL,
  until timestamptz NOT NULL
);
