-- name: make_peer
-- What most ledgers do: both rows are locked for every transfer, in one order against deadlocks.
CREATE SCHEMA peer;
CREATE TABLE peer.account (
  id integer PRIMARY KEY,
  balance bigint NOT NULL CHECK (balance >= 0),
  version bigint NOT NULL DEFAULT 0
);
CREATE TABLE peer.transfer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  debit_id integer NOT NULL REFERENCES peer.account (id),
  credit_id integer NOT NULL REFERENCES peer.account (id),
  amount bigint NOT NULL CHECK (amount > 0),
  occurred_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE peer.posting (
  transfer_id bigint NOT NULL REFERENCES peer.transfer (id),
  account_id integer NOT NULL REFERENCES peer.account (id),
  amount bigint NOT NULL,
  balance_after bigint NOT NULL,
  account_version bigint NOT NULL,
  PRIMARY KEY (account_id, account_version)
);
CREATE FUNCTION peer.move(debit integer, credit integer, moved bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  d peer.account;
  c peer.account;
  made bigint;
BEGIN
  PERFORM FROM peer.account WHERE id IN (debit, credit) ORDER BY id FOR UPDATE;
  UPDATE peer.account SET balance = balance - moved, version = version + 1
    WHERE id = debit RETURNING * INTO d;
  UPDATE peer.account SET balance = balance + moved, version = version + 1
    WHERE id = credit RETURNING * INTO c;
  INSERT INTO peer.transfer (debit_id, credit_id, amount) VALUES (debit, credit, moved)
    RETURNING id INTO made;
  INSERT INTO peer.posting VALUES
    (made, debit, moved, d.balance, d.version), (made, credit, -moved, c.balance, c.version);
  RETURN made;
END $$

-- name: fill_peer
INSERT INTO peer.account (id, balance) SELECT n, 1000000000000 FROM generate_series(0, $1::int) AS n

-- name: lock_both
SELECT id FROM peer.account WHERE id IN ($1, $2) ORDER BY id FOR UPDATE

-- name: take
UPDATE peer.account SET balance = balance - $2, version = version + 1 WHERE id = $1
RETURNING balance, version

-- name: give
UPDATE peer.account SET balance = balance + $2, version = version + 1 WHERE id = $1
RETURNING balance, version

-- name: add_transfer
INSERT INTO peer.transfer (debit_id, credit_id, amount) VALUES ($1, $2, $3) RETURNING id

-- name: add_postings
INSERT INTO peer.posting VALUES ($1, $2, $3, $4, $5), ($1, $6, -$3::bigint, $7, $8)

-- name: move
SELECT peer.move($1, $2, $3)

-- name: peer_is_whole
SELECT (SELECT sum(balance) FROM peer.account) = count(DISTINCT id) * 1000000000000
FROM peer.account

-- name: make_raw
-- The same rows without a key, a check, an index or a trigger.
CREATE SCHEMA raw;
CREATE TABLE raw.leaf AS SELECT idx, recorded_at, debit_version, credit_version, debit_posted,
  credit_posted, debit_pending, credit_pending, entry, opening, cause FROM leaf WITH NO DATA;
CREATE TABLE raw.transfer AS SELECT * FROM transfer WITH NO DATA;
CREATE TABLE raw.transfer_key AS SELECT * FROM transfer_key WITH NO DATA

-- name: sizes
-- Of a partitioned table, all of its parts.
SELECT coalesce(p.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes,
  sum(pg_indexes_size(c.oid))::bigint AS index_bytes
FROM pg_class AS c
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
LEFT JOIN pg_class AS p ON p.oid = i.inhparent
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
  AND coalesce(p.relname, c.relname) IN
    ('leaf', 'transfer', 'transfer_key', 'transfer_done', 'account', 'outbox')
GROUP BY 1

-- name: count_transfers
-- Row-level security hides the transfers themselves from the owner.
SELECT count(*) FROM transfer_key

-- name: admit
INSERT INTO participant SELECT n::text, 'enterprise', 'x', NULL, 'active'
FROM generate_series(0, $1::int) AS n

-- name: first_of_last
SELECT max(idx) + 1 - $1 FROM leaf

-- name: last_leaf
SELECT idx, recorded_at, debit_version, credit_version, debit_posted, credit_posted, debit_pending,
  credit_pending, entry, opening, cause FROM leaf WHERE idx >= $1 AND idx < $2

-- name: last_transfer
SELECT * FROM transfer WHERE leaf_idx >= $1 AND leaf_idx < $2

-- name: last_transfer_key
SELECT * FROM transfer_key WHERE leaf_idx >= $1 AND leaf_idx < $2

-- name: database_work
-- What the server has written and read so far; images are whole pages in the log, of pages that
-- changed for the first time since a checkpoint; blocks are those not found in shared buffers.
SELECT w.wal_bytes::bigint AS wal, w.wal_fpi AS images,
  (SELECT num_timed + num_requested FROM pg_stat_checkpointer)::bigint AS checkpoints,
  (SELECT coalesce(sum(reads), 0) FROM pg_stat_io WHERE object = 'relation')::bigint AS reads,
  (SELECT coalesce(sum(writes), 0) FROM pg_stat_io
    WHERE object = 'relation' AND backend_type = 'client backend')::bigint AS writes,
  (SELECT coalesce(sum(idx_blks_read), 0) FROM pg_statio_all_indexes
    WHERE schemaname = current_schema() AND relname = 'transfer_key')::bigint AS key_reads
FROM pg_stat_wal AS w
