-- name: journal_facts
SELECT facts::text AS facts FROM journal_state

-- name: put_journal_facts
INSERT INTO journal_state (facts) VALUES ($1::jsonb)
ON CONFLICT (one) DO UPDATE SET facts = excluded.facts

-- name: last_tile
SELECT n, nodes, hashes FROM leaf_tile ORDER BY n DESC LIMIT 1

-- name: tiles
SELECT n, nodes, hashes FROM leaf_tile WHERE n = ANY ($1::bigint[])

-- name: put_tiles
INSERT INTO leaf_tile (n, nodes, hashes)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])
ON CONFLICT (n) DO UPDATE SET hashes = excluded.hashes

-- name: waiting
SELECT leaf_index, content FROM entry_waiting WHERE leaf_index >= $1 AND leaf_index < $2

-- name: waiting_at
SELECT leaf_index, content FROM entry_waiting WHERE leaf_index = ANY ($1::bigint[])

-- name: first_waiting
SELECT min(leaf_index) FROM entry_waiting

-- name: put_waiting
INSERT INTO entry_waiting (leaf_index, content)
SELECT * FROM unnest($1::bigint[], $2::bytea[])
ON CONFLICT (leaf_index) DO NOTHING

-- name: drop_waiting
DELETE FROM entry_waiting WHERE leaf_index = ANY ($1::bigint[])

-- name: accounts
SELECT account, unit, version, sums::text AS sums, off::text AS off
FROM account_sum WHERE account = ANY ($1::text[])

-- name: put_accounts
INSERT INTO account_sum (account, unit, version, sums, off)
SELECT account, unit, version, sums::jsonb, off::jsonb
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
  AS t (account, unit, version, sums, off)
ON CONFLICT (account) DO UPDATE
  SET version = excluded.version, sums = excluded.sums, off = excluded.off

-- name: holds
SELECT hold_id, amount FROM hold_open WHERE hold_id = ANY ($1::text[])

-- name: put_holds
INSERT INTO hold_open (hold_id, amount) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (hold_id) DO UPDATE SET amount = excluded.amount

-- name: drop_holds
DELETE FROM hold_open WHERE hold_id = ANY ($1::text[])

-- name: seen
SELECT entry_id FROM entry_seen WHERE entry_id = ANY ($1::text[])

-- name: put_seen
INSERT INTO entry_seen (entry_id, leaf_index) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (entry_id) DO NOTHING

-- name: heads
SELECT size, root, signed, told_at, fits FROM head_seen WHERE size = ANY ($1::bigint[])

-- name: heads_ahead
SELECT size, root, signed, told_at, fits FROM head_seen
WHERE fits IS NULL AND size > $1 AND size <= $2

-- name: put_heads
INSERT INTO head_seen (size, root, signed, told_at, fits)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::timestamptz[], $5::boolean[])
ON CONFLICT (size) DO UPDATE
  SET signed = head_seen.signed OR excluded.signed, fits = excluded.fits

-- name: put_cosigned
INSERT INTO head_cosigned (size, root, witness) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: cosigned
SELECT count(*) FROM head_cosigned WHERE size = $1 AND root = $2

-- name: rounds
SELECT round_id, market_id, seq, judged, offers_through::text AS offers_through, booked_at,
  allocations_compared, capacity_compared, payments_compared, charges, assessed
FROM round_audit WHERE round_id = ANY ($1::text[])

-- name: open_rounds
WITH looked_at AS (
  SELECT r.round_id, r.market_id, r.seq, r.judged, r.offers_through::text AS offers_through,
    r.booked_at, r.allocations_compared, r.capacity_compared, r.payments_compared, r.charges,
    r.assessed, r.booked_at IS NULL AND NOT r.payments_compared AND EXISTS (
      SELECT FROM round_audit AS later
      WHERE later.market_id = r.market_id AND later.seq > r.seq AND later.booked_at IS NOT NULL
    ) AS overtaken
  FROM round_audit AS r
  WHERE (r.judged AND NOT (r.allocations_compared AND r.payments_compared))
    OR NOT r.capacity_compared
)
SELECT * FROM looked_at
WHERE (judged AND offers_through IS NOT NULL AND NOT allocations_compared)
  OR (offers_through IS NOT NULL AND NOT capacity_compared)
  OR (judged AND booked_at IS NOT NULL AND offers_through IS NOT NULL AND NOT payments_compared)
  OR (judged AND overtaken)
ORDER BY market_id, seq LIMIT $1

-- name: put_rounds
INSERT INTO round_audit (
  round_id, market_id, seq, offers_through, booked_at,
  allocations_compared, capacity_compared, payments_compared, assessed
)
SELECT round_id, market_id, seq, offers_through::jsonb, booked_at, allocations_compared,
  capacity_compared, payments_compared, assessed
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::boolean[],
  $7::boolean[], $8::boolean[], $9::bigint[]) AS t (
  round_id, market_id, seq, offers_through, booked_at,
  allocations_compared, capacity_compared, payments_compared, assessed
)
ON CONFLICT (round_id) DO UPDATE SET offers_through = excluded.offers_through,
  booked_at = excluded.booked_at, allocations_compared = excluded.allocations_compared,
  capacity_compared = excluded.capacity_compared, payments_compared = excluded.payments_compared,
  assessed = excluded.assessed

-- name: put_judged
INSERT INTO round_audit (round_id, market_id, seq, judged, charges) VALUES ($1, $2, $3, true, $4)
ON CONFLICT (round_id) DO UPDATE SET judged = true, charges = excluded.charges

-- name: put_payments
INSERT INTO round_payment (round_id, demand_id, payment, tariffs, rents)
SELECT $1, demand_id, payment, tariffs, rents
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
  AS t (demand_id, payment, tariffs, rents)
ON CONFLICT DO NOTHING

-- name: payments
SELECT demand_id, payment, tariffs, rents FROM round_payment WHERE round_id = $1

-- name: drop_payments
DELETE FROM round_payment WHERE round_id = ANY ($1::text[])

-- name: put_allocations
INSERT INTO round_allocation (
  round_id, source, demand_id, offer_id, pool, first_period, payment, digest, told
)
SELECT round_id, $1, demand_id, offer_id, pool, first_period, payment, digest, told::jsonb
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
  $8::text[], $9::text[]) AS t (
  round_id, demand_id, offer_id, pool, first_period, payment, digest, told
)
ON CONFLICT DO NOTHING

-- name: allocations
SELECT demand_id, offer_id, pool, first_period, payment, digest
FROM round_allocation WHERE round_id = $1 AND source = $2

-- name: told
SELECT told::text AS told FROM round_allocation WHERE round_id = $1 AND source = 'topic'

-- name: put_charges
INSERT INTO round_charge (round_id, source, kind, subject, party, amount, digest)
SELECT round_id, $1, kind, subject, party, amount, digest
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[])
  AS t (round_id, kind, subject, party, amount, digest)
ON CONFLICT DO NOTHING

-- name: charges
SELECT source, kind, subject, party, amount, digest FROM round_charge WHERE round_id = $1

-- name: drop_charges
DELETE FROM round_charge WHERE round_id = ANY ($1::text[])

-- name: put_premiums
UPDATE round_allocation AS a SET premium = p.premium
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS p (round_id, allocation_id, premium)
WHERE a.round_id = p.round_id AND a.source = 'topic'
  AND a.told ->> 'allocation_id' = p.allocation_id

-- name: told_at
SELECT a.told::text AS told, a.premium FROM round_allocation AS a
JOIN unnest($1::text[], $2::text[]) AS w (round_id, demand_id)
  ON (a.round_id, a.demand_id) = (w.round_id, w.demand_id)
WHERE a.source = 'topic'

-- name: drop_file_allocations
DELETE FROM round_allocation WHERE round_id = ANY ($1::text[]) AND source = 'file'

-- name: claims
SELECT c.round_id, c.demand_id, c.taken, c.payer, c.went::text AS went, c.entry,
  c.credited::text AS credited, c.charged::text AS charged, c.moved
FROM claim AS c
JOIN unnest($1::text[], $2::text[]) AS w (round_id, demand_id)
  ON (c.round_id, c.demand_id) = (w.round_id, w.demand_id)

-- name: claims_of
SELECT round_id, demand_id, taken, payer, went::text AS went, entry,
  credited::text AS credited, charged::text AS charged, moved
FROM claim WHERE round_id = $1

-- name: claims_waiting
SELECT round_id, demand_id, taken, payer, went::text AS went, entry,
  credited::text AS credited, charged::text AS charged, moved
FROM claim WHERE waits AND moved < $1 ORDER BY moved LIMIT $2

-- name: put_claims
INSERT INTO claim (
  round_id, demand_id, taken, payer, went, entry, credited, charged, moved, waits
)
SELECT round_id, demand_id, taken, payer, went::jsonb, entry, credited::jsonb, charged::jsonb,
  moved, waits
FROM unnest($1::text[], $2::text[], $3::numeric[], $4::text[], $5::text[], $6::bigint[],
  $7::text[], $8::text[], $9::bigint[], $10::boolean[]) AS t (
  round_id, demand_id, taken, payer, went, entry, credited, charged, moved, waits
)
ON CONFLICT (round_id, demand_id) DO UPDATE
  SET taken = excluded.taken, payer = excluded.payer, went = excluded.went, entry = excluded.entry,
    credited = excluded.credited, charged = excluded.charged, moved = excluded.moved,
    waits = excluded.waits

-- name: drop_claims
DELETE FROM claim AS c USING unnest($1::text[], $2::text[]) AS w (round_id, demand_id)
WHERE (c.round_id, c.demand_id) = (w.round_id, w.demand_id)

-- name: drop_told
-- Who may get a round's money is needed as long as some of it is in escrow.
DELETE FROM round_allocation AS a USING round_audit AS r
WHERE a.round_id = ANY ($1::text[]) AND a.source = 'topic' AND r.round_id = a.round_id
  AND r.allocations_compared AND r.capacity_compared AND r.payments_compared
  AND NOT EXISTS (SELECT FROM claim AS c WHERE c.round_id = a.round_id)

-- name: put_found
INSERT INTO finding (finding_id, code, severity, raised_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (finding_id) DO NOTHING

-- name: count_found
SELECT count(*) FROM finding

-- name: audit_counts
SELECT
  (SELECT count(*) FROM verdict WHERE ok) AS verified,
  (SELECT count(*) FROM verdict WHERE NOT ok) AS refuted,
  (SELECT count(*) FROM round_audit WHERE payments_compared AND judged) AS booked,
  (SELECT count(*) FROM finding) + (SELECT count(*) FROM verdict WHERE NOT ok) AS findings

-- name: may_be
SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'SET')), false)
FROM pg_roles WHERE rolname = $1

-- name: ledger_leaves
-- In the ledger's schema, not in the auditor's.
SELECT l.idx, l.entry, l.hash, l.opening IS NULL AS is_closed,
  coalesce(e.erasure_id, '') AS erasure_id
FROM leaf AS l
LEFT JOIN erasure AS e ON e.idx = l.idx
WHERE l.idx >= $1 AND l.idx < $2
