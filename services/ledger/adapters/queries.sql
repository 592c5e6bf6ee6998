-- Loading: what a batch touches.

-- name: load_accounts
SELECT id, name, unit, floor_zero, debits_pending, credits_pending, debits_posted,
  credits_posted, version
FROM account WHERE name = ANY($1::text[])

-- name: load_account_head
SELECT coalesce(max(id), 0) FROM account

-- name: load_participants
SELECT id, role, name, resource_code, status FROM participant WHERE id = ANY($1::text[])

-- name: load_demands
SELECT order_id, market_id, participant_id, version, need, amount, hold_id, closed,
  submitted_hash, log_partition, log_offset, interruptible, expires_at
FROM demand_hold WHERE order_id = ANY($1::text[])

-- name: load_offers
SELECT offer_id, version, log_partition, log_offset, market_id, provider_id, pool, start_period,
  end_period, chips, ask, body_hash, capacity
FROM offer_version WHERE offer_id = ANY($1::text[])
ORDER BY offer_id, log_partition, log_offset

-- name: load_used
SELECT offer_id, period, allocated FROM offer_period WHERE offer_id = ANY($1::text[])

-- name: load_held
SELECT offer_id, period, chips FROM capacity_hold WHERE offer_id = ANY($1::text[])

-- name: load_asked
SELECT offer_id, max(asked) AS asked FROM capacity_raise WHERE offer_id = ANY($1::text[])
GROUP BY offer_id

-- name: load_capacities
-- Those that are named, and those that offers hold.
SELECT c.capacity, c.period, c.chips, c.held FROM capacity AS c
JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS n (capacity, first, past)
  ON c.capacity = n.capacity AND c.period >= n.first AND c.period < n.past
UNION
SELECT c.capacity, c.period, c.chips, c.held FROM capacity_hold AS h
JOIN capacity AS c USING (capacity, period) WHERE h.offer_id = ANY($4::text[])

-- name: load_allocations
SELECT a.id, a.round_id, a.market_id, a.demand_id, a.enterprise_id, a.offer_id, a.provider_id,
  a.offer_version, a.pool, a.payment, a.body_hash, a.resale_of, a.links,
  r.fee_ppm AS provider_fee_ppm,
  r.enterprise_fee_ppm, r.penalty_ppm, r.compensation_ppm, r.report_periods,
  r.terms_version AS version,
  array_agg(p.period ORDER BY p.period) AS periods,
  array_agg(p.chips ORDER BY p.period) AS chips,
  array_agg(p.price ORDER BY p.period) AS prices,
  array_agg(p.premium ORDER BY p.period) AS premiums
FROM allocation AS a
JOIN round_booked AS r USING (round_id)
JOIN allocation_period AS p ON p.allocation_id = a.id
WHERE a.id = ANY($1::text[])
GROUP BY a.id, r.round_id

-- name: load_chains
-- These allocations and those that these offers resell, with all that was sold on of them.
WITH RECURSIVE chain (id) AS (
  SELECT a.id FROM allocation AS a WHERE a.id = ANY($1::text[])
  UNION
  SELECT v.capacity FROM offer_version AS v
  WHERE v.offer_id = ANY($2::text[]) AND v.capacity NOT LIKE '%/%'
  UNION
  SELECT a.id FROM chain AS c JOIN allocation AS a ON a.resale_of = c.id
)
SELECT id FROM chain

-- name: load_passable
-- Of what these offers resell, in hours that are settled: what came and was not passed on.
SELECT s.allocation_id, s.period, s.delivered - coalesce((
    SELECT sum(c.delivered) FROM allocation AS a
    JOIN settled_period AS c ON c.allocation_id = a.id AND c.period = s.period
    WHERE a.resale_of = s.allocation_id
  ), 0)::bigint AS chips
FROM settled_period AS s WHERE s.allocation_id IN (
  SELECT v.capacity FROM offer_version AS v
  WHERE v.offer_id = ANY($1::text[]) AND v.capacity NOT LIKE '%/%'
)

-- name: load_open
SELECT allocation_id, period, chips, price, due FROM open_period
WHERE allocation_id = ANY($1::text[])

-- name: load_lapsing
-- Of more than this, the rest lapses with the market's next round.
SELECT DISTINCT o.allocation_id FROM open_period AS o
JOIN allocation AS a ON a.id = o.allocation_id AND a.resale_of IS NULL
JOIN unnest($1::text[], $2::bigint[]) AS n (market_id, now)
  ON o.market_id = n.market_id AND o.due < n.now
ORDER BY o.allocation_id LIMIT 2000

-- name: load_exposure
SELECT o.provider_id,
  sum(ceil(o.chips::numeric * o.price * r.penalty_ppm / 1000000) + greatest(0, -p.premium))::bigint
    AS exposure
FROM open_period AS o
JOIN allocation_period AS p USING (allocation_id, period)
JOIN allocation AS a ON a.id = o.allocation_id
JOIN round_booked AS r ON r.round_id = a.round_id
WHERE o.provider_id = ANY($1::text[]) GROUP BY o.provider_id

-- name: load_terms
SELECT market_id, from_seq, body_hash, provider_fee_ppm, enterprise_fee_ppm, penalty_ppm,
  compensation_ppm, report_periods, version
FROM settlement_terms WHERE market_id = ANY($1::text[]) ORDER BY market_id, version

-- name: load_money_orders
SELECT order_ref AS id, body_hash, transfer_id, refusal FROM money_order
WHERE order_ref = ANY($1::text[])

-- name: load_booked
SELECT t.id, t.kind, t.purpose, d.name AS debit, c.name AS credit, t.amount, t.market_id,
  t.round_id, t.order_id, t.kind = 'single'
    AND EXISTS (SELECT FROM transfer_done AS r WHERE r.id = t.id) AS is_reversed
FROM transfer_key AS k JOIN transfer AS t USING (leaf_idx)
JOIN account AS d ON d.id = t.debit_id JOIN account AS c ON c.id = t.credit_id
WHERE k.id = ANY($1::uuid[])

-- name: load_erasures
SELECT erasure_id AS id, body_hash, refusal FROM erasure_order WHERE erasure_id = ANY($1::text[])

-- name: load_erasable
-- A reversal is for what it takes back.
SELECT t.id, l.hash AS leaf_hash, l.entry NOT LIKE '{%'::bytea AS is_salted,
  CASE WHEN e.idx IS NOT NULL THEN coalesce(e.erasure_id, '') END AS erased_by,
  coalesce(r.purpose, t.purpose) AS purpose, d.name AS debit, c.name AS credit,
  l.debit_version, l.credit_version
FROM transfer_key AS k
JOIN transfer AS t USING (leaf_idx)
JOIN leaf AS l ON l.idx = k.leaf_idx
JOIN account AS d ON d.id = t.debit_id JOIN account AS c ON c.id = t.credit_id
LEFT JOIN transfer_key AS q ON q.id = t.reverses
LEFT JOIN transfer AS r ON r.leaf_idx = q.leaf_idx
LEFT JOIN erasure AS e ON e.idx = k.leaf_idx
WHERE k.id = ANY($1::uuid[])

-- name: load_rounds
SELECT round_id, digest FROM round_booked WHERE round_id = ANY($1::text[])

-- name: load_last_seq
SELECT market_id, max(seq) AS seq FROM round_booked
WHERE market_id = ANY($1::text[]) GROUP BY market_id

-- name: load_halts
SELECT market_id, round_id, code, problem FROM market_halt WHERE market_id = ANY($1::text[])

-- name: load_deliveries
SELECT delivery_id, body_hash FROM delivery_booked WHERE delivery_id = ANY($1::text[])
UNION ALL
SELECT settlement_id, body_hash FROM settlement WHERE settlement_id = ANY($1::text[])

-- name: load_transfers
-- What was asked for, of which the digest is made.
SELECT t.id, t.kind, t.purpose, d.name AS debit, c.name AS credit, t.unit, t.amount, t.pending_id,
  t.reverses, t.market_id, t.round_id, t.order_id
FROM transfer_key AS k JOIN transfer AS t USING (leaf_idx)
JOIN account AS d ON d.id = t.debit_id JOIN account AS c ON c.id = t.credit_id
WHERE k.id = ANY($1::uuid[])

-- name: load_waiting
SELECT topic, partition, log_offset, timestamp_ms, key, value, header_names, header_values
FROM waiting_record
WHERE market_id NOT IN (SELECT market_id FROM market_halt)
ORDER BY topic, partition, log_offset

-- name: load_checkpoint
SELECT size, frontier FROM checkpoint ORDER BY size DESC LIMIT 1

-- name: load_leaves_from
SELECT hash FROM leaf WHERE idx >= $1 ORDER BY idx

-- name: may_set_role
SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'SET')), false)
FROM pg_roles WHERE rolname = $1

-- name: admit_login
SELECT admit_login($1)

-- Writing: one batch, one transaction.

-- name: save_participants
INSERT INTO participant (id, role, name, resource_code, status)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
ON CONFLICT (id) DO UPDATE SET role = EXCLUDED.role, name = EXCLUDED.name,
  resource_code = EXCLUDED.resource_code, status = EXCLUDED.status

-- name: add_accounts
INSERT INTO account (id, name, participant_id, unit, floor_zero)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::boolean[])

-- name: add_partitions
SELECT add_partitions($1, $2)

-- name: load_partitions
SELECT first_idx, end_idx FROM journal_partition ORDER BY first_idx

-- name: load_unsent
SELECT idx, id, opening, occurred_at, recorded_at, order_id, cause FROM journal_entry
WHERE idx >= (SELECT next_idx FROM journal_sent) ORDER BY idx LIMIT $1

-- name: mark_sent
UPDATE journal_sent SET next_idx = $2 WHERE next_idx = $1

-- name: load_unsent_erasures
SELECT e.seq, e.idx, t.id, e.erasure_id, e.erased_at, t.occurred_at, l.recorded_at,
  substr(l.entry, 16) AS commitment
FROM erasure AS e
JOIN journal_sent AS s ON e.seq > s.erasures_sent AND e.idx < s.next_idx
JOIN leaf AS l ON l.idx = e.idx
JOIN transfer AS t ON t.leaf_idx = e.idx
WHERE e.erasure_id IS NOT NULL ORDER BY e.seq LIMIT $1

-- name: mark_erasures_sent
UPDATE journal_sent SET erasures_sent = $1 WHERE erasures_sent < $1

-- name: add_erasure_orders
INSERT INTO erasure_order (erasure_id, body_hash, refusal)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[])

-- name: erase_entries
SELECT erase_entry(e.erasure_id, e.entry_id, e.reason)
FROM unnest($1::text[], $2::uuid[], $3::text[]) AS e (erasure_id, entry_id, reason)

-- name: save_demands
INSERT INTO demand_hold (order_id, market_id, participant_id, version, need, amount, hold_id,
  closed, submitted_hash, log_partition, log_offset, interruptible,
  expires_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[],
  $7::uuid[], $8::boolean[], $9::bytea[], $10::integer[], $11::bigint[], $12::boolean[],
  $13::timestamptz[])
ON CONFLICT (order_id) DO UPDATE SET version = EXCLUDED.version, need = EXCLUDED.need,
  amount = EXCLUDED.amount, hold_id = EXCLUDED.hold_id, closed = EXCLUDED.closed,
  log_partition = EXCLUDED.log_partition, log_offset = EXCLUDED.log_offset,
  interruptible = EXCLUDED.interruptible, expires_at = EXCLUDED.expires_at

-- name: move_capacity
UPDATE capacity_hold AS h SET chips = n.chips, stated = coalesce(n.stated, h.stated)
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
  AS n (offer_id, period, chips, stated)
WHERE h.offer_id = n.offer_id AND h.period = n.period

-- name: remove_waited
DELETE FROM waiting_record AS w
USING unnest($1::text[], $2::integer[], $3::bigint[]) AS n (topic, partition, log_offset)
WHERE (w.topic, w.partition, w.log_offset) = (n.topic, n.partition, n.log_offset)
