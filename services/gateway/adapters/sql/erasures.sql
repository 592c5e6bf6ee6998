-- Erasing what journal entries say.

-- name: put_erasure_ordered
INSERT INTO erasure AS e (erasure_id, entry_id, reason, ordered_by, ordered_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (erasure_id) DO UPDATE SET reason = excluded.reason,
  ordered_by = excluded.ordered_by, ordered_at = excluded.ordered_at
WHERE e.ordered_at IS NULL;

-- name: put_erasure_refused
INSERT INTO erasure AS e (erasure_id, entry_id, refusal) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (erasure_id) DO UPDATE SET refusal = excluded.refusal WHERE e.erased_at IS NULL;

-- name: put_erasure_done
INSERT INTO erasure AS e (erasure_id, entry_id, leaf_index, commitment, erased_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (erasure_id) DO UPDATE SET leaf_index = excluded.leaf_index,
  commitment = excluded.commitment, erased_at = excluded.erased_at, refusal = NULL
WHERE e.erased_at IS NULL;

-- name: known_leaves
SELECT leaf_index FROM journal_entry WHERE leaf_index = ANY($1::bigint[]);

-- name: forget_requests
-- What was asked for is what the entry said. Whoever uses the key again is told that it was used.
UPDATE idempotency AS i SET request = '{"erased": true}'
FROM journal_entry AS j
WHERE j.leaf_index = ANY($1::bigint[])
  AND i.reply ->> 'event_id' = convert_from(j.entry, 'UTF8')::jsonb ->> 'cause';

-- name: replace_entries
-- Only by what stands for the same leaf.
UPDATE journal_entry AS j SET entry = e.entry
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS e (leaf_index, entry, leaf_hash)
WHERE j.leaf_index = e.leaf_index AND j.leaf_hash = e.leaf_hash;

-- name: erase_postings
-- Amounts and balances stay, since statements and balances are sums of them.
UPDATE account_entry SET purpose = 'erased', market_id = NULL, round_id = NULL, order_id = NULL,
  pending_id = NULL
WHERE entry_id = ANY($1::text[]);

-- name: count_hours
-- Entries that were erased before they were read; the others are counted already.
INSERT INTO journal_hour AS h (hour, first_leaf, last_leaf, entries)
SELECT floor(extract(epoch FROM occurred_at) / 3600)::bigint AS hour,
  min(leaf_index), max(leaf_index), count(*)
FROM unnest($1::bigint[], $2::timestamptz[]) AS e (leaf_index, occurred_at)
GROUP BY 1 ORDER BY 1
ON CONFLICT (hour) DO UPDATE SET
  first_leaf = LEAST(h.first_leaf, excluded.first_leaf),
  last_leaf = GREATEST(h.last_leaf, excluded.last_leaf),
  entries = h.entries + excluded.entries;

-- name: erasure
SELECT * FROM erasure WHERE erasure_id = $1;

-- name: erasures
SELECT * FROM erasure WHERE $1::bigint IS NULL OR seq < $1 ORDER BY seq DESC LIMIT $2;

-- name: erasable_entry
SELECT j.leaf_index, j.leaf_hash, j.entry, p.purpose, p.kind, p.is_followed
FROM (
  SELECT e.leaf_index, min(e.purpose) AS purpose, min(e.kind) AS kind, bool_and(EXISTS (
    SELECT FROM account_entry AS n
    WHERE n.account = e.account AND n.layer = 'posted' AND n.leaf_index > e.leaf_index
      AND n.purpose <> 'erased'
  )) AS is_followed
  FROM account_entry AS e WHERE e.entry_id = $1 GROUP BY e.leaf_index
) AS p
JOIN journal_entry AS j ON j.leaf_index = p.leaf_index;
