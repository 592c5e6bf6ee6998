-- migrate:up

-- The invariants of the journal live here, in the database: whatever code runs above, a row that
-- breaks one is refused.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: rows are only ever added, a correction is a new entry',
    TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TABLE participant (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
  role text NOT NULL CHECK (role IN ('provider', 'enterprise', 'regulator', 'operator')),
  name text NOT NULL,
  resource_code text,
  status text NOT NULL CHECK (status IN ('active', 'suspended'))
);

-- Counters as TigerBeetle keeps them: holds count against what is free. Only counters change, so
-- half the page is left free and updates stay on it.
CREATE TABLE account (
  id integer PRIMARY KEY CHECK (id >= 1),
  name text NOT NULL UNIQUE,
  participant_id text REFERENCES participant (id),
  unit text NOT NULL,
  floor_zero boolean NOT NULL,
  debits_pending bigint NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
  credits_pending bigint NOT NULL DEFAULT 0 CHECK (credits_pending >= 0),
  debits_posted bigint NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
  credits_posted bigint NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
  version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
  UNIQUE (id, unit),
  CONSTRAINT account_no_overdraft
    CHECK (NOT floor_zero OR debits_pending + debits_posted <= credits_posted)
) WITH (fillfactor = 50);

CREATE FUNCTION check_counters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted
    OR NEW.version <= OLD.version
  THEN
    RAISE EXCEPTION 'counters of account % only go up', OLD.name
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.id, NEW.name, NEW.participant_id, NEW.unit, NEW.floor_zero)
    IS DISTINCT FROM (OLD.id, OLD.name, OLD.participant_id, OLD.unit, OLD.floor_zero)
  THEN
    RAISE EXCEPTION 'account % is what it is: only counters change', OLD.name
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER account_counters BEFORE UPDATE ON account
  FOR EACH ROW EXECUTE FUNCTION check_counters();

-- The transparency log: one leaf per journal entry, hashed as RFC 6962 says. `prev` is a foreign
-- key to the leaf before, so the log can have no hole.
CREATE TABLE leaf (
  idx bigint PRIMARY KEY CHECK (idx >= 0),
  prev bigint GENERATED ALWAYS AS (nullif(idx, 0) - 1) STORED REFERENCES leaf (idx),
  entry bytea NOT NULL CHECK (length(entry) <= 65535),
  hash bytea NOT NULL,
  CONSTRAINT leaf_hash CHECK (hash = sha256('\x00'::bytea || entry))
);

CREATE TABLE checkpoint (
  size bigint PRIMARY KEY CHECK (size >= 1),
  last_idx bigint GENERATED ALWAYS AS (size - 1) STORED REFERENCES leaf (idx),
  root bytea NOT NULL CHECK (length(root) = 32),
  frontier bytea NOT NULL CHECK (length(frontier) % 32 = 0),
  note text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A hold is resolved once (pending_id is unique), by a transfer between its own accounts, of no
-- more than it held, before it expired: the composite foreign key copies what the hold says.
-- 'infinity' stands for "never", since a NULL would switch the foreign key off.
CREATE TABLE transfer (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('single', 'hold', 'post', 'void', 'expire')),
  purpose text NOT NULL,
  debit_id integer NOT NULL,
  credit_id integer NOT NULL,
  unit text NOT NULL,
  amount bigint NOT NULL,
  expires_at timestamptz NOT NULL DEFAULT 'infinity',
  occurred_at timestamptz NOT NULL,
  market_id text,
  round_id text,
  order_id text,
  leaf_idx bigint NOT NULL UNIQUE REFERENCES leaf (idx),
  body_hash bytea NOT NULL CHECK (length(body_hash) = 32),
  pending_id uuid UNIQUE,
  pending_amount bigint,
  pending_expires_at timestamptz NOT NULL DEFAULT 'infinity',
  pending_kind text GENERATED ALWAYS AS (CASE WHEN pending_id IS NOT NULL THEN 'hold' END) STORED,
  CONSTRAINT transfer_as_hold
    UNIQUE (id, kind, debit_id, credit_id, unit, amount, expires_at),
  CONSTRAINT transfer_debit FOREIGN KEY (debit_id, unit) REFERENCES account (id, unit),
  CONSTRAINT transfer_credit FOREIGN KEY (credit_id, unit) REFERENCES account (id, unit),
  CONSTRAINT transfer_resolves FOREIGN KEY
    (pending_id, pending_kind, debit_id, credit_id, unit, pending_amount, pending_expires_at)
    REFERENCES transfer (id, kind, debit_id, credit_id, unit, amount, expires_at),
  CONSTRAINT transfer_two_accounts CHECK (debit_id <> credit_id),
  CONSTRAINT transfer_names_hold
    CHECK ((kind IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)),
  CONSTRAINT transfer_names_held CHECK ((pending_id IS NULL) = (pending_amount IS NULL)),
  CONSTRAINT transfer_amount CHECK (
    CASE
      WHEN kind IN ('void', 'expire') THEN amount = 0
      WHEN kind = 'post' THEN amount BETWEEN 1 AND pending_amount
      ELSE amount > 0
    END
  ),
  CONSTRAINT transfer_post_in_time CHECK (kind <> 'post' OR occurred_at < pending_expires_at),
  CONSTRAINT transfer_expire_in_time CHECK (kind <> 'expire' OR occurred_at >= pending_expires_at),
  CONSTRAINT transfer_only_holds_expire CHECK (kind = 'hold' OR expires_at = 'infinity')
);

CREATE TABLE posting (
  transfer_id uuid NOT NULL REFERENCES transfer (id),
  account_id integer NOT NULL,
  unit text NOT NULL,
  layer text NOT NULL CHECK (layer IN ('posted', 'pending')),
  amount bigint NOT NULL CHECK (amount <> 0),
  account_version bigint NOT NULL CHECK (account_version >= 1),
  balance_after bigint NOT NULL,
  PRIMARY KEY (transfer_id, account_id, layer),
  CONSTRAINT posting_version UNIQUE (account_id, account_version),
  CONSTRAINT posting_account FOREIGN KEY (account_id, unit) REFERENCES account (id, unit)
);

-- The postings of a transfer come together, sum to zero in each layer, and are what it says.
CREATE FUNCTION check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong uuid;
BEGIN
  SELECT transfer_id INTO wrong FROM added
    GROUP BY transfer_id, unit, layer HAVING sum(amount) <> 0 OR count(*) <> 2 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'postings of transfer % must sum to zero in each unit and layer', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  SELECT a.transfer_id INTO wrong FROM added AS a JOIN transfer AS t ON t.id = a.transfer_id
    WHERE a.amount IS DISTINCT FROM
      (CASE a.account_id WHEN t.debit_id THEN 1 WHEN t.credit_id THEN -1 END)
      * (CASE
          WHEN a.layer = 'posted' AND t.kind IN ('single', 'post') THEN t.amount
          WHEN a.layer = 'pending' AND t.kind = 'hold' THEN t.amount
          WHEN a.layer = 'pending' THEN -t.pending_amount
        END)
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'postings of transfer % must be what the transfer says', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER posting_balanced AFTER INSERT ON posting
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION check_postings();

-- The current hold of each demand: a pointer into the journal, with what it takes to answer.
CREATE TABLE demand_hold (
  order_id text PRIMARY KEY,
  market_id text NOT NULL,
  participant_id text NOT NULL,
  version integer NOT NULL CHECK (version >= 1),
  need bigint NOT NULL CHECK (need >= 0),
  amount bigint NOT NULL CHECK (amount >= 0),
  hold_id uuid UNIQUE REFERENCES transfer (id),
  closed boolean NOT NULL,
  submitted_hash bytea NOT NULL CHECK (length(submitted_hash) = 32),
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  CONSTRAINT demand_hold_amount CHECK ((hold_id IS NULL) = (amount = 0)),
  CONSTRAINT demand_hold_closed CHECK (NOT closed OR amount = 0)
) WITH (fillfactor = 70);

-- migrate:down
DROP TABLE demand_hold, posting, transfer, checkpoint, leaf, account, participant;
DROP FUNCTION check_postings, check_counters, refuse_change;
