-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Leaves of version 2: `entry` is a commitment, the tag and SHA-256 of the opening, which is the
-- journal entry with its salt. An opening can be erased; the leaf and every proof stay.
ALTER TABLE leaf ADD COLUMN opening bytea;
-- NOT VALID spares a look at the rows that are there: none of them has an opening.
ALTER TABLE leaf ADD CONSTRAINT leaf_opening CHECK (
  opening IS NULL
  OR (length(opening) <= 65535
    AND entry = '\x7375616e6c692e6c6561662e76320a'::bytea || sha256(opening))
) NOT VALID;

-- Why an opening is gone; an opening without such a row was taken away by nobody who may.
CREATE TABLE erasure (
  idx bigint PRIMARY KEY REFERENCES leaf (idx),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
  erased_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION check_leaf_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE'
    AND (NEW.idx, NEW.entry, NEW.hash) = (OLD.idx, OLD.entry, OLD.hash)
    AND OLD.opening IS NOT NULL AND NEW.opening IS NULL
    AND EXISTS (SELECT FROM erasure AS e WHERE e.idx = OLD.idx)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% of leaf is refused: of a leaf only the opening is ever erased, with a reason',
    TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER leaf_append_only ON leaf;
CREATE TRIGGER leaf_append_only BEFORE UPDATE OR DELETE ON leaf
  FOR EACH ROW EXECUTE FUNCTION check_leaf_change();
ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_append_only;

-- The tree's hashes in tiles of 256 (C2SP tlog-tiles); a tile only ever gets longer.
CREATE TABLE tree_tile (
  level integer NOT NULL CHECK (level BETWEEN 0 AND 63),
  n bigint NOT NULL CHECK (n >= 0),
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (level, n)
);

CREATE FUNCTION check_tile_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.level, NEW.n) = (OLD.level, OLD.n)
    AND substr(NEW.hashes, 1, length(OLD.hashes)) = OLD.hashes
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% of tile %/% is refused: a tile only ever gets longer',
    TG_OP, OLD.level, OLD.n USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER tree_tile_append_only BEFORE UPDATE OR DELETE ON tree_tile
  FOR EACH ROW EXECUTE FUNCTION check_tile_change();

-- What was signed: one root for a size, never beyond the log.
CREATE TABLE signed_checkpoint (
  size bigint PRIMARY KEY CHECK (size >= 1),
  last_idx bigint GENERATED ALWAYS AS (size - 1) STORED REFERENCES leaf (idx),
  root bytea NOT NULL CHECK (length(root) = 32),
  note text NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT now()
);

-- What witnesses said to it.
CREATE TABLE cosignature (
  size bigint NOT NULL REFERENCES signed_checkpoint (size),
  witness text NOT NULL,
  line text NOT NULL,
  cosigned_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (size, witness)
);

DO $$
DECLARE
  name text;
  role_name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['signed_checkpoint', 'cosignature', 'erasure'] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I '
      'FOR EACH ROW EXECUTE FUNCTION refuse_change()',
      name || '_append_only', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['signed_checkpoint', 'cosignature', 'erasure', 'tree_tile'] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
      name || '_no_truncate', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_append_only');
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_truncate');
  END LOOP;
  FOREACH name IN ARRAY ARRAY['check_leaf_change', 'check_tile_change'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
  -- The roles of 0004, where they could be made. The writer may not erase.
  role_name := current_schema() || '_writer';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT ON erasure TO %I', role_name);
    EXECUTE format('GRANT SELECT, INSERT ON tree_tile, signed_checkpoint, cosignature TO %I',
      role_name);
    EXECUTE format('GRANT UPDATE (hashes) ON tree_tile TO %I', role_name);
  END IF;
  role_name := current_schema() || '_regulator';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    EXECUTE format('GRANT SELECT ON tree_tile, signed_checkpoint, cosignature, erasure TO %I',
      role_name);
  END IF;
END $$;

-- migrate:down
