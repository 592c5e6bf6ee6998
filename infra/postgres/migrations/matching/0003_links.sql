-- migrate:up
-- GB of a link that rounds have given away, for periods that are still to come: what a later round
-- finds left is the link's capacity less this.
CREATE TABLE link_sent (
  link text NOT NULL CHECK (link LIKE '%>%'),
  period bigint NOT NULL CHECK (period >= 0),
  gb bigint NOT NULL CHECK (gb > 0),
  PRIMARY KEY (link, period)
);
