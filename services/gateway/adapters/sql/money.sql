-- name: put_entries
-- A posting counts once: a repeat of its event changes no balance, and no count of its hour.
WITH fresh AS (
  INSERT INTO account_entry
    (entry_id, line, account, unit, kind, purpose, layer, amount, balance_after, market_id,
     round_id, order_id, leaf_index, recorded_at, occurred_at, pending_id)
  SELECT entry_id, line, account, unit, kind, purpose, layer, amount, balance_after, market_id,
    round_id, order_id, leaf_index, recorded_at, occurred_at, pending_id
  FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::bigint[],
    $14::timestamptz[], $15::timestamptz[], $16::text[])
    AS e (entry_id, line, account, unit, kind, purpose, layer, amount, balance_after, market_id,
      round_id, order_id, leaf_index, recorded_at, occurred_at, pending_id)
  ON CONFLICT (entry_id, line) DO NOTHING
  RETURNING account, unit, layer, amount, recorded_at, line, leaf_index, occurred_at
), hours AS (
  INSERT INTO journal_hour AS h (hour, first_leaf, last_leaf, entries)
  SELECT floor(extract(epoch FROM occurred_at) / 3600)::bigint AS hour,
    min(leaf_index), max(leaf_index), count(*)
  FROM fresh WHERE line = 0 GROUP BY 1 ORDER BY 1
  ON CONFLICT (hour) DO UPDATE SET
    first_leaf = LEAST(h.first_leaf, excluded.first_leaf),
    last_leaf = GREATEST(h.last_leaf, excluded.last_leaf),
    entries = h.entries + excluded.entries
)
INSERT INTO account AS a (account, unit, posted, pending, entries, updated_at)
SELECT account, min(unit), COALESCE(sum(amount) FILTER (WHERE layer = 'posted'), 0),
  COALESCE(sum(amount) FILTER (WHERE layer = 'pending'), 0), count(*), max(recorded_at)
FROM fresh GROUP BY account ORDER BY account
ON CONFLICT (account) DO UPDATE SET
  posted = a.posted + excluded.posted,
  pending = a.pending + excluded.pending,
  entries = a.entries + excluded.entries,
  updated_at = GREATEST(a.updated_at, excluded.updated_at);

-- name: account
-- By the last entry and not by the sum, so that it is right across entries that were erased before
-- they were read.
SELECT a.account, a.unit, COALESCE((
    SELECT e.balance_after FROM account_entry AS e
    WHERE e.account = a.account AND e.layer = 'posted'
    ORDER BY e.leaf_index DESC LIMIT 1), a.posted) AS posted,
  COALESCE((
    SELECT e.balance_after FROM account_entry AS e
    WHERE e.account = a.account AND e.layer = 'pending'
    ORDER BY e.leaf_index DESC LIMIT 1), a.pending) AS pending,
  a.entries, a.updated_at
FROM account AS a WHERE a.account = ANY($1::text[]);

-- name: entries
-- By place in the log: an entry has at most 16 postings.
SELECT *, leaf_index * 16 + line AS place FROM account_entry
WHERE account = $1 AND ($2::bigint IS NULL OR (leaf_index, line) < ($2 / 16, $2 % 16))
  AND ($4::text IS NULL OR filter_holds($4::text::jsonb, jsonb_build_object(
    'entry_id', entry_id, 'kind', kind, 'purpose', purpose, 'layer', layer,
    'amount', CASE layer WHEN 'posted' THEN -amount ELSE amount END,
    'balance', CASE layer WHEN 'posted' THEN -balance_after ELSE balance_after END,
    'market_id', market_id, 'round_id', round_id, 'order_id', order_id,
    'pending_id', pending_id, 'leaf_index', leaf_index, 'occurred_at', micros(occurred_at),
    'recorded_at', micros(recorded_at))))
ORDER BY leaf_index DESC, line DESC LIMIT $3;

-- name: put_projection_state
INSERT INTO projection_state (lag, updated_at) VALUES ($1, now())
ON CONFLICT (one) DO UPDATE SET lag = excluded.lag, updated_at = excluded.updated_at;

-- name: projection_state
SELECT lag, extract(epoch FROM now() - updated_at)::float8 AS age_s FROM projection_state;

-- name: relax
SET LOCAL synchronous_commit = off;
