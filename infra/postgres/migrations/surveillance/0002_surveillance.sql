-- migrate:up
-- What makes the tapes of the days that are not over, in the order in which it came.
CREATE TABLE tape_event (
  event_id text PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  -- Order, round, market or participant that it is forgotten with.
  subject text NOT NULL,
  value bytea NOT NULL,
  headers jsonb NOT NULL
);
CREATE INDEX tape_event_subject ON tape_event (subject);

-- Cases that were published, the latest revision of each; none is ever taken back.
CREATE TABLE told_case (
  case_id text PRIMARY KEY CHECK (case_id LIKE 'sc\_%'),
  market_id text NOT NULL,
  day integer NOT NULL CHECK (day >= 0),
  revision bigint NOT NULL CHECK (revision >= 1),
  digest text NOT NULL CHECK (length(digest) = 64),
  told_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION told_case_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a case that was told must stay, was deleted';
  END IF;
  IF NEW.revision <> OLD.revision + 1 OR NEW.case_id <> OLD.case_id THEN
    RAISE EXCEPTION 'revision must be %, was %', OLD.revision + 1, NEW.revision;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER told_case_guard BEFORE UPDATE OR DELETE ON told_case
FOR EACH ROW EXECUTE FUNCTION told_case_only_grows();
