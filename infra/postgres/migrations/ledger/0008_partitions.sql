-- The ledger migrates before it serves, and what it had is written anew here: nobody waits.
-- squawk-ignore-file ban-drop-table, ban-drop-constraint, adding-foreign-key-constraint
-- squawk-ignore-file constraint-missing-not-valid
-- migrate:up
-- What an entry says is stored once. A transfer says what was asked for; its leaf what came of it
-- (versions and balances of both accounts), who caused it, and the salt. The entry's canonical
-- bytes follow from the two, and the database itself works them out and compares them with the
-- commitment. Both tables are partitioned by the place in the log, which is their order in time.
SET LOCAL lock_timeout = '30s';
SET LOCAL statement_timeout = '60min';

-- What is there is taken aside. Its owner sees rows only without the forced row-level security.
ALTER TABLE account NO FORCE ROW LEVEL SECURITY;
ALTER TABLE transfer NO FORCE ROW LEVEL SECURITY;
ALTER TABLE posting NO FORCE ROW LEVEL SECURITY;
CREATE TEMP TABLE old_leaf ON COMMIT DROP AS SELECT idx, entry, opening FROM leaf;
CREATE TEMP TABLE old_transfer ON COMMIT DROP AS SELECT * FROM transfer;
CREATE TEMP TABLE old_posting ON COMMIT DROP AS
  SELECT transfer_id, account_id, layer, max(account_version) AS version,
    max(balance_after) AS balance
  FROM posting GROUP BY transfer_id, account_id, layer;
CREATE INDEX ON old_posting (transfer_id);
ALTER TABLE account FORCE ROW LEVEL SECURITY;

ALTER TABLE demand_hold DROP CONSTRAINT demand_hold_hold_id_fkey;
ALTER TABLE money_order DROP CONSTRAINT money_order_transfer_id_fkey;
ALTER TABLE delivery_booked DROP CONSTRAINT delivery_booked_payment_id_fkey,
  DROP CONSTRAINT delivery_booked_fee_id_fkey;
ALTER TABLE checkpoint DROP CONSTRAINT checkpoint_last_idx_fkey;
ALTER TABLE signed_checkpoint DROP CONSTRAINT signed_checkpoint_last_idx_fkey;
ALTER TABLE erasure DROP CONSTRAINT erasure_idx_fkey;
DROP TABLE posting, transfer, leaf;
DROP FUNCTION check_postings, check_transfers;

-- Leaves ---------------------------------------------------------------------------------------

-- `entry` is what the log holds: the commitment to the opening. `opening` is the salt, without
-- which nobody can open it; the rest of the opening are the rows. A leaf of version 1 has none, its
-- entry is the JSON itself. Versions are those after the entry; balances are NULL in a layer that
-- it does not move.
CREATE TABLE leaf (
  idx bigint NOT NULL CHECK (idx >= 0),
  recorded_at timestamptz,
  debit_version bigint NOT NULL CHECK (debit_version >= 1),
  credit_version bigint NOT NULL CHECK (credit_version >= 1),
  debit_posted bigint,
  credit_posted bigint,
  debit_pending bigint,
  credit_pending bigint,
  entry bytea NOT NULL CHECK (length(entry) <= 65535),
  opening bytea CHECK (length(opening) = 32),
  cause text,
  hash bytea GENERATED ALWAYS AS (sha256('\x00'::bytea || entry)) VIRTUAL,
  PRIMARY KEY (idx)
) PARTITION BY RANGE (idx);

CREATE FUNCTION check_leaves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  first bigint;
  last bigint;
  added_rows bigint;
BEGIN
  SELECT min(idx), max(idx), count(*) INTO first, last, added_rows FROM added;
  -- The primary key sees to it that none is there twice.
  IF last - first + 1 <> added_rows
    OR (first > 0 AND NOT EXISTS (SELECT FROM leaf AS l WHERE l.idx = first - 1))
  THEN
    RAISE EXCEPTION 'leaves must follow the last one without a gap, was % to %', first, last
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER leaf_follows AFTER INSERT ON leaf
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION check_leaves();

CREATE OR REPLACE FUNCTION check_leaf_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.opening IS NOT NULL AND NEW.opening IS NULL
    AND EXISTS (SELECT FROM erasure AS e WHERE e.idx = OLD.idx)
  THEN
    OLD.opening := NULL;
    IF NEW IS NOT DISTINCT FROM OLD THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION '% of leaf is refused: of a leaf only the opening is ever erased, with a reason',
    TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER leaf_append_only BEFORE UPDATE OR DELETE ON leaf
  FOR EACH ROW EXECUTE FUNCTION check_leaf_change();

-- Transfers ------------------------------------------------------------------------------------

-- Wide columns first, so that nothing is lost to alignment. A time that is NULL never comes.
CREATE TABLE transfer (
  leaf_idx bigint NOT NULL,
  amount bigint NOT NULL,
  occurred_at timestamptz NOT NULL,
  expires_at timestamptz,
  pending_amount bigint,
  pending_expires_at timestamptz,
  debit_id integer NOT NULL,
  credit_id integer NOT NULL,
  id uuid NOT NULL,
  pending_id uuid,
  reverses uuid,
  kind text NOT NULL,
  purpose text NOT NULL,
  unit text NOT NULL,
  market_id text,
  round_id text,
  order_id text,
  PRIMARY KEY (leaf_idx),
  CONSTRAINT transfer_kind_known
    CHECK (kind IN ('single', 'hold', 'post', 'void', 'expire', 'reversal')),
  CONSTRAINT transfer_two_accounts CHECK (debit_id <> credit_id),
  CONSTRAINT transfer_names_hold
    CHECK ((kind IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)),
  CONSTRAINT transfer_names_held CHECK ((pending_id IS NULL) = (pending_amount IS NULL)),
  CONSTRAINT transfer_names_reversed CHECK ((kind = 'reversal') = (reverses IS NOT NULL)),
  CONSTRAINT transfer_amount CHECK (
    CASE
      WHEN kind IN ('void', 'expire') THEN amount = 0
      WHEN kind = 'post' THEN amount BETWEEN 1 AND pending_amount
      ELSE amount > 0
    END
  ),
  CONSTRAINT transfer_post_in_time
    CHECK (kind <> 'post' OR coalesce(occurred_at < pending_expires_at, true)),
  CONSTRAINT transfer_expire_in_time
    CHECK (kind <> 'expire' OR coalesce(occurred_at >= pending_expires_at, false)),
  CONSTRAINT transfer_only_holds_expire CHECK (kind = 'hold' OR expires_at IS NULL)
) PARTITION BY RANGE (leaf_idx);

-- A unique key of a partitioned table must hold the place in the log; an id is unique without it,
-- and so is what a transfer takes up: a hold is resolved once, a movement taken back once.
CREATE TABLE transfer_key (
  id uuid PRIMARY KEY,
  leaf_idx bigint NOT NULL
);
CREATE TABLE transfer_done (
  id uuid PRIMARY KEY,
  leaf_idx bigint NOT NULL
);

-- The canonical bytes of docs/reference/journal.md, in the order of their names.
CREATE FUNCTION journal_posting(
  account text, version bigint, amount bigint, balance bigint, layer text
) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT concat('{"account":', account, ',"account_version":', version, ',"amount":', amount,
    ',"balance_after":', balance, ',"layer":"', layer, '"}')
$$;
CREATE FUNCTION journal_opening(
  leaf_idx bigint, id uuid, kind text, amount bigint, held bigint, occurred_at timestamptz,
  unit text, purpose text, market_id text, round_id text, order_id text, resolved uuid, cause text,
  salt bytea, debit text, credit text, debit_version bigint, credit_version bigint,
  debit_posted bigint, credit_posted bigint, debit_pending bigint, credit_pending bigint
) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT convert_to(concat(
    '{"amount":', amount, ',"cause":', to_json(cause), ',"entry_id":"', id, '","kind":"', kind,
    '","leaf_index":', leaf_idx,
    ',"market_id":' || to_json(market_id)::text,
    ',"occurred_at":"', to_char(occurred_at AT TIME ZONE 'UTC', CASE
      WHEN date_trunc('second', occurred_at) = occurred_at THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
      ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' END),
    '"', ',"order_id":' || to_json(order_id)::text,
    ',"pending_id":"' || resolved::text || '"',
    ',"postings":[',
    CASE WHEN debit_pending IS NOT NULL THEN
      journal_posting(to_json(debit)::text, debit_version - (debit_posted IS NOT NULL)::integer,
        CASE kind WHEN 'hold' THEN amount ELSE -held END, debit_pending, 'pending') || ','
      || journal_posting(to_json(credit)::text,
        credit_version - (credit_posted IS NOT NULL)::integer,
        CASE kind WHEN 'hold' THEN -amount ELSE held END, credit_pending, 'pending') END,
    CASE WHEN debit_pending IS NOT NULL AND debit_posted IS NOT NULL THEN ',' END,
    CASE WHEN debit_posted IS NOT NULL THEN
      journal_posting(to_json(debit)::text, debit_version, amount, debit_posted, 'posted') || ','
      || journal_posting(to_json(credit)::text, credit_version, -amount, credit_posted, 'posted')
      END,
    '],"purpose":', to_json(purpose),
    ',"round_id":' || to_json(round_id)::text,
    ',"salt":"', encode(salt, 'hex'), '","unit":', to_json(unit), '}'
  ), 'UTF8')
$$;

-- As sum() of integers, and several times faster: that one gives a numeric.
CREATE AGGREGATE total(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0');

-- Booking: what is added is checked as one set, and moves the counters of its accounts, so that no
-- counter moves but by a transfer. Both sides of one get the same amount, hence all sums are zero.
CREATE FUNCTION book_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong uuid;
  known boolean;
BEGIN
  INSERT INTO transfer_key (id, leaf_idx) SELECT n.id, n.leaf_idx FROM added AS n;
  INSERT INTO transfer_done (id, leaf_idx)
    SELECT coalesce(n.pending_id, n.reverses), n.leaf_idx FROM added AS n
    WHERE n.pending_id IS NOT NULL OR n.reverses IS NOT NULL;
  SELECT n.id INTO wrong FROM added AS n
    LEFT JOIN transfer_key AS k ON k.id = n.pending_id
    LEFT JOIN transfer AS h ON h.leaf_idx = k.leaf_idx
    WHERE n.pending_id IS NOT NULL AND (
      h.kind, h.debit_id, h.credit_id, h.unit, h.amount, h.expires_at
    ) IS DISTINCT FROM (
      'hold', n.debit_id, n.credit_id, n.unit, n.pending_amount, n.pending_expires_at
    ) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % must resolve a hold as it was placed', wrong
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  SELECT n.id INTO wrong FROM added AS n
    LEFT JOIN transfer_key AS k ON k.id = n.reverses
    LEFT JOIN transfer AS t ON t.leaf_idx = k.leaf_idx
    WHERE n.reverses IS NOT NULL AND (
      t.kind, t.debit_id, t.credit_id, t.unit, t.amount
    ) IS DISTINCT FROM ('single', n.credit_id, n.debit_id, n.unit, n.amount) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % must be the mirror image of a single movement', wrong
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  WITH base AS MATERIALIZED (
    SELECT n.id, n.leaf_idx, n.debit_id, n.credit_id,
      CASE n.kind WHEN 'hold' THEN n.amount WHEN 'single' THEN 0 WHEN 'reversal' THEN 0
        ELSE -n.pending_amount END AS pending,
      CASE n.kind WHEN 'hold' THEN 0 ELSE n.amount END AS posted,
      l.debit_version, l.credit_version, l.debit_posted, l.credit_posted, l.debit_pending,
      l.credit_pending,
      d.version AS d_version, d.debits_posted - d.credits_posted AS d_posted,
      d.debits_pending - d.credits_pending AS d_pending,
      c.version AS c_version, c.debits_posted - c.credits_posted AS c_posted,
      c.debits_pending - c.credits_pending AS c_pending,
      d.unit IS NOT DISTINCT FROM n.unit AND c.unit IS NOT DISTINCT FROM n.unit
        AND l.idx IS NOT NULL AS is_known,
      l.opening IS NOT NULL AND l.cause IS NOT NULL
        AND l.entry = '\x7375616e6c692e6c6561662e76320a'::bytea || sha256(
        journal_opening(n.leaf_idx, n.id, n.kind, n.amount, n.pending_amount, n.occurred_at, n.unit,
          n.purpose, n.market_id, n.round_id, n.order_id, coalesce(n.pending_id, n.reverses),
          l.cause, l.opening, d.name, c.name, l.debit_version, l.credit_version, l.debit_posted,
          l.credit_posted, l.debit_pending, l.credit_pending)) AS is_committed
    FROM added AS n
    LEFT JOIN account AS d ON d.id = n.debit_id
    LEFT JOIN account AS c ON c.id = n.credit_id
    LEFT JOIN leaf AS l ON l.idx = n.leaf_idx
  ), side AS MATERIALIZED (
    SELECT s.*, total(s.step) OVER earlier AS steps, total(s.pending) OVER earlier AS pending_sum,
      total(s.posted) OVER earlier AS posted_sum
    FROM (
      SELECT id, debit_id AS account_id, leaf_idx, pending, posted, true AS is_debit,
        (pending <> 0)::integer + (posted <> 0)::integer AS step,
        debit_version AS version, debit_posted AS posted_after, debit_pending AS pending_after,
        d_version AS version_before, d_posted AS posted_before, d_pending AS pending_before
      FROM base
      UNION ALL
      SELECT id, credit_id, leaf_idx, -pending, -posted, false,
        (pending <> 0)::integer + (posted <> 0)::integer,
        credit_version, credit_posted, credit_pending, c_version, c_posted, c_pending
      FROM base
    ) AS s
    WINDOW earlier AS (PARTITION BY s.account_id ORDER BY s.leaf_idx ROWS UNBOUNDED PRECEDING)
  ), counted AS (
    UPDATE account AS a SET
      debits_pending = a.debits_pending + m.debits_pending,
      credits_pending = a.credits_pending - m.credits_pending,
      debits_posted = a.debits_posted + m.debits_posted,
      credits_posted = a.credits_posted - m.credits_posted,
      version = a.version + m.steps
    FROM (
      SELECT account_id, total(step) AS steps,
        total(pending) FILTER (WHERE is_debit) AS debits_pending,
        total(pending) FILTER (WHERE NOT is_debit) AS credits_pending,
        total(posted) FILTER (WHERE is_debit) AS debits_posted,
        total(posted) FILTER (WHERE NOT is_debit) AS credits_posted
      FROM side GROUP BY account_id
    ) AS m
    WHERE a.id = m.account_id
  )
  SELECT b.id, b.is_known INTO wrong, known FROM base AS b
    WHERE NOT b.is_known OR b.is_committed IS NOT TRUE
  UNION ALL
  SELECT s.id, NULL FROM side AS s
    WHERE s.version <> s.version_before + s.steps
      OR s.posted_after IS DISTINCT FROM
        (CASE WHEN s.posted <> 0 THEN s.posted_before + s.posted_sum END)
      OR s.pending_after IS DISTINCT FROM
        (CASE WHEN s.pending <> 0 THEN s.pending_before + s.pending_sum END)
  LIMIT 1;
  IF FOUND AND NOT known THEN
    RAISE EXCEPTION 'transfer % must join two accounts of its unit and be a leaf of the log', wrong
      USING ERRCODE = 'foreign_key_violation';
  ELSIF FOUND AND known THEN
    RAISE EXCEPTION 'transfer % must be what its leaf commits to', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  ELSIF FOUND THEN
    RAISE EXCEPTION 'transfer % must follow in the history of both its accounts', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
-- Partitions -----------------------------------------------------------------------------------

CREATE TABLE journal_partition (
  first_idx bigint PRIMARY KEY,
  end_idx bigint NOT NULL,
  CHECK (first_idx >= 0 AND end_idx > first_idx)
);

-- Made apart and then attached, so that nobody waits who reads or writes the journal.
CREATE FUNCTION add_partitions(wanted bigint, leaves bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  first bigint;
  name text;
  part text;
  writer text := (SELECT rolname FROM pg_roles WHERE rolname = current_schema() || '_writer');
BEGIN
  -- A bound, so that whoever has the writer's credential cannot fill the catalogue with tables.
  IF leaves < 1 OR wanted > (SELECT coalesce(max(idx), 0) FROM leaf) + 1000 * leaves THEN
    RAISE EXCEPTION 'partitions must be of at least 1 leaf and at most 1000 ahead, was % up to %',
      leaves, wanted USING ERRCODE = 'invalid_parameter_value';
  END IF;
  LOOP
    SELECT coalesce(max(end_idx), 0) INTO first FROM journal_partition;
    IF first >= wanted THEN
      RETURN first;
    END IF;
    FOREACH name IN ARRAY ARRAY['leaf', 'transfer'] LOOP
      part := format('%s_%s', name, first);
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, name);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        name, part, first, first + leaves);
      EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT '
        'EXECUTE FUNCTION refuse_change()', part || '_no_truncate', part);
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', part, part || '_no_truncate');
      -- What is added to a partition is checked as what is added to the whole.
      EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS added '
        'FOR EACH STATEMENT EXECUTE FUNCTION %I()', part || '_checked', part,
        CASE name WHEN 'leaf' THEN 'check_leaves' ELSE 'book_transfers' END);
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', part, part || '_checked');
      -- The writer copies into the partition: COPY and row-level security exclude each other. It
      -- may add here and not read; participants have no right here at all.
      IF writer IS NOT NULL THEN
        EXECUTE format('GRANT INSERT ON %I TO %I', part, writer);
      END IF;
    END LOOP;
    INSERT INTO journal_partition (first_idx, end_idx) VALUES (first, first + leaves);
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION add_partitions FROM PUBLIC;

-- Guards ---------------------------------------------------------------------------------------

-- Plans by key alone, as in 0006. Partitions inherit the triggers on rows as they are set here.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['check_leaves', 'book_transfers'] LOOP
    EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', name, current_schema());
    EXECUTE format('ALTER FUNCTION %I() SET enable_hashjoin = off', name);
    EXECUTE format('ALTER FUNCTION %I() SET enable_mergejoin = off', name);
    EXECUTE format('ALTER FUNCTION %I() SET enable_seqscan = off', name);
  END LOOP;
  EXECUTE format('ALTER FUNCTION add_partitions SET search_path = %I, pg_temp', current_schema());
  FOREACH name IN ARRAY ARRAY['transfer', 'transfer_key', 'transfer_done', 'journal_partition'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I '
      'FOR EACH ROW EXECUTE FUNCTION refuse_change()', name || '_append_only', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY[
    'leaf', 'transfer', 'transfer_key', 'transfer_done', 'journal_partition'
  ] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_append_only');
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I '
      'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name || '_no_truncate', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_no_truncate');
  END LOOP;
END $$;
ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_follows;

-- What was there ---------------------------------------------------------------------------------

SELECT add_partitions((SELECT coalesce(max(idx), -1) + 1 + 1048576 FROM old_leaf), 1048576);
INSERT INTO leaf (idx, debit_version, credit_version, debit_posted, credit_posted, debit_pending,
  credit_pending, entry, opening, cause)
  SELECT l.idx, max(p.version) FILTER (WHERE p.account_id = t.debit_id),
    max(p.version) FILTER (WHERE p.account_id = t.credit_id),
    max(p.balance) FILTER (WHERE p.account_id = t.debit_id AND p.layer = 'posted'),
    max(p.balance) FILTER (WHERE p.account_id = t.credit_id AND p.layer = 'posted'),
    max(p.balance) FILTER (WHERE p.account_id = t.debit_id AND p.layer = 'pending'),
    max(p.balance) FILTER (WHERE p.account_id = t.credit_id AND p.layer = 'pending'),
    l.entry, decode(convert_from(l.opening, 'UTF8')::json ->> 'salt', 'hex'),
    CASE
      WHEN l.opening IS NOT NULL THEN convert_from(l.opening, 'UTF8')::json ->> 'cause'
      WHEN l.entry LIKE '{%'::bytea THEN convert_from(l.entry, 'UTF8')::json ->> 'cause'
    END
  FROM old_leaf AS l
  JOIN old_transfer AS t ON t.leaf_idx = l.idx
  JOIN old_posting AS p ON p.transfer_id = t.id
  GROUP BY l.idx, l.entry, l.opening ORDER BY l.idx;
INSERT INTO transfer (leaf_idx, amount, occurred_at, expires_at, pending_amount, pending_expires_at,
  debit_id, credit_id, id, pending_id, reverses, kind, purpose, unit, market_id, round_id, order_id)
  SELECT leaf_idx, amount, occurred_at, nullif(expires_at, 'infinity'), pending_amount,
    nullif(pending_expires_at, 'infinity'), debit_id, credit_id, id, pending_id, reverses, kind,
    purpose, unit, market_id, round_id, order_id
  FROM old_transfer ORDER BY leaf_idx;
INSERT INTO transfer_key (id, leaf_idx) SELECT id, leaf_idx FROM old_transfer ORDER BY leaf_idx;
INSERT INTO transfer_done (id, leaf_idx)
  SELECT coalesce(pending_id, reverses), leaf_idx FROM old_transfer
  WHERE pending_id IS NOT NULL OR reverses IS NOT NULL;
-- From here on; the counters of the accounts are those of what was there.
CREATE TRIGGER transfer_books AFTER INSERT ON transfer
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION book_transfers();
ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_books;

ALTER TABLE demand_hold ADD CONSTRAINT demand_hold_hold FOREIGN KEY (hold_id)
  REFERENCES transfer_key (id);
ALTER TABLE money_order ADD CONSTRAINT money_order_transfer FOREIGN KEY (transfer_id)
  REFERENCES transfer_key (id);
ALTER TABLE delivery_booked
  ADD CONSTRAINT delivery_booked_payment FOREIGN KEY (payment_id) REFERENCES transfer_key (id),
  ADD CONSTRAINT delivery_booked_fee FOREIGN KEY (fee_id) REFERENCES transfer_key (id);
ALTER TABLE checkpoint ADD CONSTRAINT checkpoint_last FOREIGN KEY (last_idx)
  REFERENCES leaf (idx);
ALTER TABLE signed_checkpoint ADD CONSTRAINT signed_checkpoint_last FOREIGN KEY (last_idx)
  REFERENCES leaf (idx);
ALTER TABLE erasure ADD CONSTRAINT erasure_leaf FOREIGN KEY (idx) REFERENCES leaf (idx);

-- Publishing -----------------------------------------------------------------------------------

-- The journal is its own outbox: entries are sent in their order from here on. What was booked
-- before went through the outbox.
CREATE TABLE journal_sent (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  next_idx bigint NOT NULL CHECK (next_idx >= 0)
);
INSERT INTO journal_sent (next_idx) SELECT coalesce(max(idx), -1) + 1 FROM leaf;
CREATE FUNCTION check_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.next_idx < OLD.next_idx THEN
    RAISE EXCEPTION 'what was sent must not go back from %, was %', OLD.next_idx, NEW.next_idx
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER journal_sent_forward BEFORE UPDATE ON journal_sent
  FOR EACH ROW EXECUTE FUNCTION check_sent();
CREATE TRIGGER journal_sent_no_delete BEFORE DELETE ON journal_sent
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE journal_sent ENABLE ALWAYS TRIGGER journal_sent_forward;
ALTER TABLE journal_sent ENABLE ALWAYS TRIGGER journal_sent_no_delete;

-- Entries with the bytes that they are published as; NULL if they were erased.
CREATE VIEW journal_entry WITH (security_invoker = true) AS
  SELECT l.idx, l.entry, l.hash, l.cause, l.recorded_at, t.id, t.occurred_at, t.order_id,
    CASE
      WHEN l.opening IS NULL THEN CASE WHEN l.entry LIKE '{%'::bytea THEN l.entry END
      ELSE journal_opening(l.idx, t.id, t.kind, t.amount, t.pending_amount, t.occurred_at, t.unit,
        t.purpose, t.market_id, t.round_id, t.order_id, coalesce(t.pending_id, t.reverses),
        l.cause, l.opening, d.name, c.name, l.debit_version, l.credit_version, l.debit_posted,
        l.credit_posted, l.debit_pending, l.credit_pending)
    END AS opening
  FROM leaf AS l
  -- One by one: merged, a few entries at the end would read all transfers from the first.
  LEFT JOIN LATERAL (SELECT * FROM transfer WHERE leaf_idx = l.idx OFFSET 0) AS t ON true
  LEFT JOIN account AS d ON d.id = t.debit_id
  LEFT JOIN account AS c ON c.id = t.credit_id;

-- The sides of each transfer. Whoever is party to it does not see the other's balance; the names of
-- who sees all are written into the view, since a search path is anybody's to set.
DO $$
DECLARE
  writer text := current_schema() || '_writer';
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = writer) THEN
    writer := current_user;
  END IF;
  EXECUTE format($view$
    CREATE VIEW posting WITH (security_barrier = true) AS
      SELECT t.id AS transfer_id, p.account_id, t.unit, p.layer, p.amount, p.account_version,
        p.balance_after, t.leaf_idx
      FROM transfer AS t
      JOIN leaf AS l ON l.idx = t.leaf_idx
      CROSS JOIN LATERAL (VALUES
        (t.debit_id, 'pending', CASE t.kind WHEN 'hold' THEN t.amount ELSE -t.pending_amount END,
          l.debit_version - (l.debit_posted IS NOT NULL)::integer, l.debit_pending),
        (t.credit_id, 'pending', CASE t.kind WHEN 'hold' THEN -t.amount ELSE t.pending_amount END,
          l.credit_version - (l.credit_posted IS NOT NULL)::integer, l.credit_pending),
        (t.debit_id, 'posted', t.amount, l.debit_version, l.debit_posted),
        (t.credit_id, 'posted', -t.amount, l.credit_version, l.credit_posted)
      ) AS p (account_id, layer, amount, account_version, balance_after)
      JOIN account AS a ON a.id = p.account_id
      WHERE p.balance_after IS NOT NULL AND (
        current_user IN (%L, %L)
        OR a.participant_id = nullif(current_setting('suanli.participant_id', true), '')
      )
    $view$, current_schema() || '_regulator', writer);
END $$;

-- Rights ---------------------------------------------------------------------------------------

DO $$
DECLARE
  name text;
  role_name text;
  writer text := current_schema() || '_writer';
  regulator text := current_schema() || '_regulator';
  participant text := current_schema() || '_participant';
BEGIN
  EXECUTE 'ALTER TABLE transfer ENABLE ROW LEVEL SECURITY';
  EXECUTE 'ALTER TABLE transfer FORCE ROW LEVEL SECURITY';
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = writer) THEN
    EXECUTE format('GRANT SELECT, INSERT ON leaf, transfer, transfer_key, transfer_done TO %I',
      writer);
    EXECUTE format('GRANT SELECT ON journal_entry, posting, journal_partition, journal_sent TO %I',
      writer);
    EXECUTE format('GRANT UPDATE (next_idx) ON journal_sent TO %I', writer);
    EXECUTE format('GRANT EXECUTE ON FUNCTION add_partitions TO %I', writer);
    EXECUTE format('CREATE POLICY writer ON transfer TO %I USING (true) WITH CHECK (true)', writer);
  ELSE
    EXECUTE format('CREATE POLICY writer ON transfer TO %I USING (true) WITH CHECK (true)',
      current_user);
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = regulator) THEN
    EXECUTE format('GRANT SELECT ON leaf, transfer, transfer_key, transfer_done, journal_entry, '
      'posting, journal_partition, journal_sent TO %I', regulator);
    EXECUTE format('CREATE POLICY regulator ON transfer FOR SELECT TO %I USING (true)', regulator);
  END IF;
  -- The view posting acts with the rights of its owner, who must see the rows that it shows. He may
  -- see them anyway: row-level security is his to lift.
  FOREACH name IN ARRAY ARRAY['account', 'transfer'] LOOP
    EXECUTE format('CREATE POLICY owner ON %I FOR SELECT TO %I USING (true)', name, current_user);
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = participant) THEN
    EXECUTE format('GRANT SELECT ON transfer, posting TO %I', participant);
    EXECUTE format('CREATE POLICY participant ON transfer FOR SELECT TO %I USING '
      '(EXISTS (SELECT FROM account AS a WHERE a.id IN (transfer.debit_id, transfer.credit_id)))',
      participant);
  END IF;
END $$;

-- migrate:down
