-- migrate:up

-- Who owns a participant in the end, of those that told; apart, since few rows need it.
CREATE TABLE participant_owner (
  participant_id text PRIMARY KEY,
  beneficial_owner text NOT NULL,
  log_offset bigint NOT NULL
);

-- Cases of market surveillance; regulators alone see them.
CREATE TABLE surveillance_case (
  case_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  market_id text NOT NULL,
  day date NOT NULL,
  kind text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
  revision bigint NOT NULL CHECK (revision >= 1),
  body jsonb NOT NULL,
  raised_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'under-review', 'closed')),
  -- Rises by one with every change, so that two regulators cannot overwrite each other.
  state_version bigint NOT NULL DEFAULT 0
);
CREATE INDEX surveillance_case_day ON surveillance_case (market_id, day);

-- Who changed a case's state, when and why: nothing of it is ever changed or deleted.
CREATE TABLE surveillance_case_change (
  event_id text PRIMARY KEY,
  case_id text NOT NULL REFERENCES surveillance_case,
  version bigint NOT NULL CHECK (version >= 1),
  state text NOT NULL,
  reason text NOT NULL,
  changed_by text NOT NULL,
  changed_at timestamptz NOT NULL,
  UNIQUE (case_id, version)
);
CREATE FUNCTION case_change_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a change of a case must stay as it is, was %', TG_OP;
END
$$;
CREATE TRIGGER surveillance_case_change_guard
BEFORE UPDATE OR DELETE ON surveillance_case_change
FOR EACH ROW EXECUTE FUNCTION case_change_stays();

-- Records that nobody could take, as their consumers buried them.
CREATE TABLE dead_letter (
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  reason text NOT NULL,
  field text NOT NULL,
  value text NOT NULL,
  allowed text NOT NULL,
  source_topic text NOT NULL,
  source_partition integer NOT NULL,
  source_offset bigint NOT NULL,
  bytes bigint NOT NULL,
  buried_at timestamptz NOT NULL,
  PRIMARY KEY (log_partition, log_offset)
);
CREATE INDEX dead_letter_at ON dead_letter (buried_at);

-- The day's allocations, rounds and order events, for the daily reports.
CREATE INDEX round_day ON round (market_id, market_time);
CREATE INDEX order_event_at ON order_event (occurred_at);

-- Nothing of this is read with a participant's eyes.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles
    WHERE rolname IN (current_schema() || '_reader', current_schema() || '_overseer')
  LOOP
    EXECUTE format(
      'REVOKE ALL ON participant_owner, surveillance_case, surveillance_case_change, dead_letter '
      'FROM %I', name);
  END LOOP;
END
$$;

-- migrate:down
