-- Every statement returns the rows that break a rule; none is good.

-- name: audit_sums
SELECT unit, layer, sum(amount)::bigint AS total FROM posting
GROUP BY unit, layer HAVING sum(amount) <> 0

-- name: audit_transfers_without_postings
SELECT t.id FROM transfer AS t LEFT JOIN leaf AS l ON l.idx = t.leaf_idx
WHERE (
    l.debit_posted IS NOT NULL, l.credit_posted IS NOT NULL,
    l.debit_pending IS NOT NULL, l.credit_pending IS NOT NULL
  ) <> (
    t.kind IN ('single', 'post', 'reversal'), t.kind IN ('single', 'post', 'reversal'),
    t.kind IN ('hold', 'post', 'void', 'expire'), t.kind IN ('hold', 'post', 'void', 'expire')
  )
LIMIT 20

-- name: audit_keys
-- Ids, and what is resolved or taken back, are those of the transfers.
SELECT t.id, k.id AS key, t.leaf_idx, k.leaf_idx AS key_leaf_idx
FROM transfer AS t FULL JOIN transfer_key AS k ON k.id = t.id
WHERE t.leaf_idx IS DISTINCT FROM k.leaf_idx LIMIT 20

-- name: audit_done
SELECT t.id, d.id AS done, d.leaf_idx
FROM (SELECT * FROM transfer WHERE pending_id IS NOT NULL OR reverses IS NOT NULL) AS t
FULL JOIN transfer_done AS d ON d.id = coalesce(t.pending_id, t.reverses)
WHERE t.leaf_idx IS DISTINCT FROM d.leaf_idx LIMIT 20

-- name: audit_counters
SELECT a.name, a.debits_pending - a.credits_pending AS pending,
  a.debits_posted - a.credits_posted AS posted,
  coalesce(p.pending, 0)::bigint AS pending_postings,
  coalesce(p.posted, 0)::bigint AS posted_postings, a.version, coalesce(p.entries, 0) AS entries
FROM account AS a
LEFT JOIN (
  SELECT account_id, count(*) AS entries, max(account_version) AS version,
    sum(amount) FILTER (WHERE layer = 'pending') AS pending,
    sum(amount) FILTER (WHERE layer = 'posted') AS posted,
    sum(amount) FILTER (WHERE layer = 'posted' AND amount > 0) AS debits_posted,
    -sum(amount) FILTER (WHERE layer = 'posted' AND amount < 0) AS credits_posted
  FROM posting GROUP BY account_id
) AS p ON p.account_id = a.id
WHERE a.debits_pending - a.credits_pending <> coalesce(p.pending, 0)
  OR a.debits_posted <> coalesce(p.debits_posted, 0)
  OR a.credits_posted <> coalesce(p.credits_posted, 0)
  OR a.version <> coalesce(p.entries, 0) OR a.version <> coalesce(p.version, 0)
LIMIT 20

-- name: audit_histories
SELECT name, account_version, balance_after, expected FROM (
  SELECT a.name, p.account_version, p.balance_after,
    sum(p.amount) OVER (PARTITION BY p.account_id, p.layer ORDER BY p.account_version)::bigint
      AS expected
  FROM posting AS p JOIN account AS a ON a.id = p.account_id
) AS history
WHERE balance_after <> expected LIMIT 20

-- name: audit_free
SELECT name, credits_posted - debits_posted - debits_pending AS free FROM account
WHERE floor_zero AND credits_posted - debits_posted - debits_pending < 0 LIMIT 20

-- name: audit_holds_resolved_twice
SELECT pending_id, count(*) AS resolutions FROM transfer
WHERE pending_id IS NOT NULL GROUP BY pending_id HAVING count(*) > 1 LIMIT 20

-- name: audit_holds_posted_beyond
SELECT r.id, h.amount AS held, r.amount AS posted
FROM transfer AS r LEFT JOIN transfer AS h ON h.id = r.pending_id AND h.kind = 'hold'
WHERE r.pending_id IS NOT NULL AND (h.id IS NULL OR r.amount > h.amount) LIMIT 20

-- name: audit_open_holds
-- The open holds are exactly the current holds of demands, with their amounts and ends.
SELECT coalesce(h.id, d.hold_id) AS hold_id, h.amount AS held, d.amount AS believed,
  h.expires_at, d.expires_at AS believed_expires_at
FROM (
  SELECT id, amount, expires_at FROM transfer AS h WHERE kind = 'hold'
    AND NOT EXISTS (SELECT FROM transfer AS r WHERE r.pending_id = h.id)
) AS h
FULL JOIN (SELECT hold_id, amount, expires_at FROM demand_hold WHERE hold_id IS NOT NULL) AS d
  ON d.hold_id = h.id
WHERE (h.amount, h.expires_at) IS DISTINCT FROM (d.amount, d.expires_at) LIMIT 20

-- name: audit_oversold
SELECT offer_id, period, chips, allocated FROM offer_period WHERE allocated > chips LIMIT 20

-- name: audit_capacity
-- What is booked as used is what the allocations use, within what some version offered.
SELECT coalesce(o.offer_id, p.offer_id) AS offer_id, coalesce(o.period, p.period) AS period,
  o.allocated, p.allocated::bigint AS allocations, p.offered
FROM offer_period AS o
FULL JOIN (
  SELECT p.offer_id, p.period, sum(p.chips) AS allocated,
    max((SELECT max(v.chips) FROM offer_version AS v
      WHERE v.offer_id = p.offer_id AND p.period >= v.start_period AND p.period < v.end_period))
      AS offered
  FROM allocation_period AS p GROUP BY p.offer_id, p.period
) AS p ON p.offer_id = o.offer_id AND p.period = o.period
WHERE o.allocated IS DISTINCT FROM p.allocated OR coalesce(p.offered, 0) < p.allocated
LIMIT 20

-- name: audit_shared_capacity
-- What is reserved of a shared capacity is what its offers hold, who sold no more than that.
SELECT coalesce(c.capacity, h.capacity) AS capacity, coalesce(c.period, h.period) AS period,
  c.chips, c.held, h.held::bigint AS holds, h.oversold
FROM capacity AS c
FULL JOIN (
  SELECT h.capacity, h.period, sum(h.chips) AS held,
    bool_or(coalesce(o.allocated, 0) > h.chips) AS oversold
  FROM capacity_hold AS h LEFT JOIN offer_period AS o USING (offer_id, period)
  GROUP BY h.capacity, h.period
) AS h USING (capacity, period)
WHERE c.held IS DISTINCT FROM h.held OR c.held > c.chips OR h.oversold LIMIT 20

-- name: audit_payments
-- An allocation costs chips x price; what a round captured is what its allocations and links cost.
SELECT a.id, a.payment, sum(p.chips * p.price)::bigint AS expected
FROM allocation AS a JOIN allocation_period AS p ON p.allocation_id = a.id
GROUP BY a.id HAVING sum(p.chips * p.price) <> a.payment LIMIT 20

-- name: audit_captures
SELECT r.round_id, r.payment, coalesce(a.payment, 0)::bigint AS allocations,
  coalesce(l.amount, 0)::bigint AS links, coalesce(t.amount, 0)::bigint AS captured
FROM round_booked AS r
LEFT JOIN (SELECT round_id, sum(payment) AS payment FROM allocation GROUP BY round_id) AS a
  USING (round_id)
LEFT JOIN (SELECT round_id, sum(amount) AS amount FROM transfer
  WHERE kind = 'post' GROUP BY round_id) AS t USING (round_id)
LEFT JOIN (SELECT round_id, sum(amount) AS amount FROM transfer
  WHERE purpose IN ('link_tariff', 'link_rent') GROUP BY round_id) AS l USING (round_id)
WHERE r.payment <> coalesce(a.payment, 0) + coalesce(l.amount, 0)
  OR r.payment <> coalesce(t.amount, 0) LIMIT 20

-- name: audit_resales
-- What was sold on is settled with what it was sold on from, and no more of it than came.
SELECT s.allocation_id, s.period, s.delivered, sum(c.delivered)::bigint AS passed_on,
  count(*) FILTER (WHERE c.allocation_id IS NULL) AS unsettled
FROM settled_period AS s
JOIN allocation AS a ON a.resale_of = s.allocation_id
JOIN allocation_period AS p ON p.allocation_id = a.id AND p.period = s.period
LEFT JOIN settled_period AS c ON c.allocation_id = a.id AND c.period = s.period
GROUP BY s.allocation_id, s.period, s.delivered
HAVING sum(c.delivered) > s.delivered OR bool_or(c.allocation_id IS NULL) LIMIT 20

-- name: audit_settlements
-- A settlement is what its periods come to, and its transfers out of escrow are that.
SELECT coalesce(s.settlement_id, p.settlement_id) AS settlement_id, s.paid, s.refund,
  coalesce(p.paid, 0)::bigint AS periods_paid,
  coalesce(p.refund, 0)::bigint AS periods_refund, coalesce(t.amount, 0)::bigint AS transfers
FROM settlement AS s
FULL JOIN (SELECT settlement_id, sum(delivered * price) AS paid,
  sum((chips - delivered) * price) AS refund FROM settled_period GROUP BY settlement_id) AS p
  ON p.settlement_id = s.settlement_id
LEFT JOIN LATERAL (SELECT sum(t.amount) AS amount FROM transfer_key AS k
  JOIN transfer AS t USING (leaf_idx) JOIN account AS a ON a.id = t.debit_id
  WHERE k.id = ANY (s.transfers) AND a.name LIKE 'escrow:%') AS t ON true
WHERE s.paid IS DISTINCT FROM coalesce(p.paid, 0)
  OR s.refund IS DISTINCT FROM coalesce(p.refund, 0)
  OR s.paid + s.refund IS DISTINCT FROM coalesce(t.amount, 0)
LIMIT 20

-- name: audit_deliveries
-- Before settlements: a delivery paid what its periods cost, and its transfers are that.
SELECT d.delivery_id, d.amount, coalesce(p.amount, 0)::bigint AS periods,
  coalesce(t.amount, 0)::bigint AS transfers
FROM delivery_booked AS d
LEFT JOIN (SELECT delivery_id, sum(amount) AS amount FROM period_paid GROUP BY delivery_id) AS p
  USING (delivery_id)
LEFT JOIN LATERAL (SELECT sum(t.amount) AS amount
  FROM transfer_key AS k JOIN transfer AS t USING (leaf_idx)
  WHERE k.id IN (d.payment_id, d.fee_id)) AS t ON true
WHERE d.amount <> coalesce(p.amount, 0) OR d.amount <> coalesce(t.amount, 0) LIMIT 20

-- name: audit_open_periods
-- Of every allocated period, chips paid before, settled and open are the chips allocated.
SELECT p.allocation_id, p.period, p.chips, coalesce(d.delivered, 0) AS paid_before,
  coalesce(s.chips, 0) AS settled, coalesce(o.chips, 0) AS open
FROM allocation_period AS p
LEFT JOIN period_paid AS d USING (allocation_id, period)
LEFT JOIN settled_period AS s USING (allocation_id, period)
LEFT JOIN open_period AS o USING (allocation_id, period)
WHERE p.chips <> coalesce(d.delivered, 0) + coalesce(s.chips, 0) + coalesce(o.chips, 0)
  OR coalesce(o.price, p.price) <> p.price OR coalesce(s.price, p.price) <> p.price
LIMIT 20

-- name: audit_escrow
-- Escrow holds what the open periods cost, market by market.
SELECT a.name, (a.credits_posted - a.debits_posted) AS escrow,
  coalesce(o.amount, 0)::bigint AS expected
FROM account AS a
LEFT JOIN (SELECT market_id, sum(chips * price) AS amount FROM open_period GROUP BY market_id) AS o
  ON a.name = 'escrow:' || o.market_id
WHERE a.name LIKE 'escrow:%'
  AND a.credits_posted - a.debits_posted <> coalesce(o.amount, 0)
LIMIT 20

-- name: audit_premiums
-- What premiums still owe the policy fund is what imported supply is charged for open periods, and
-- the fund has what domestic supply may still be credited for them.
SELECT m.market_id, coalesce(r.debits_posted - r.credits_posted, 0) AS owed,
  coalesce(o.charges, 0)::bigint AS charges,
  coalesce(f.credits_posted - f.debits_posted, 0) AS fund,
  coalesce(o.credits, 0)::bigint AS credits
FROM (SELECT DISTINCT market_id FROM round_booked) AS m
LEFT JOIN account AS r ON r.name = 'premiums:' || m.market_id
LEFT JOIN account AS f ON f.name = 'policy:' || m.market_id
LEFT JOIN (SELECT n.market_id, sum(greatest(0, -p.premium)) AS charges,
  sum(greatest(0, p.premium)) AS credits
  FROM open_period AS n JOIN allocation_period AS p USING (allocation_id, period)
  WHERE p.premium <> 0 GROUP BY n.market_id) AS o ON o.market_id = m.market_id
WHERE coalesce(r.debits_posted - r.credits_posted, 0) <> coalesce(o.charges, 0)
  OR coalesce(f.credits_posted - f.debits_posted, 0) < coalesce(o.credits, 0)
LIMIT 20

-- name: audit_debts
-- A debt is never above zero, and only the bank, debts and premiums are ever below.
SELECT name, credits_posted - debits_posted AS balance FROM account
WHERE ((name LIKE 'debt:%' OR name LIKE 'premiums:%') AND credits_posted > debits_posted)
  OR (NOT floor_zero AND name <> 'bank' AND name NOT LIKE 'debt:%' AND name NOT LIKE 'premiums:%')
LIMIT 20

-- name: audit_reversals
-- A reversal is the mirror image of a single movement, and there is one of each at most.
SELECT r.id, r.reverses FROM transfer AS r LEFT JOIN transfer AS t ON t.id = r.reverses
WHERE r.kind = 'reversal' AND (t.id IS NULL OR t.kind <> 'single'
  OR (t.debit_id, t.credit_id, t.unit, t.amount) <> (r.credit_id, r.debit_id, r.unit, r.amount)
  OR EXISTS (SELECT FROM transfer AS o WHERE o.reverses = r.reverses AND o.id <> r.id))
LIMIT 20

-- name: audit_outbox
-- Numbers that were given out are there, but for a sent and pruned beginning.
SELECT next_seq, first, last, rows FROM (
  SELECT (SELECT next_seq FROM outbox_head) AS next_seq, min(seq) AS first, max(seq) AS last,
    count(*) AS rows FROM outbox
) AS o
WHERE rows > 0 AND (last <> next_seq - 1 OR rows <> last - first + 1)

-- name: audit_journal_unpublished
-- Entries are sent in their order, so what is not sent yet is the end of the log.
SELECT s.next_idx, l.leaves FROM (SELECT coalesce(max(idx), -1) + 1 AS leaves FROM leaf) AS l
LEFT JOIN journal_sent AS s ON true
WHERE s.next_idx IS NULL OR s.next_idx > l.leaves

-- name: audit_facts
SELECT (SELECT count(*) FROM transfer) AS transfers, (SELECT count(*) FROM account) AS accounts,
  (SELECT count(*) FROM round_booked) AS rounds, (SELECT count(*) FROM allocation) AS allocations,
  (SELECT count(*) FROM offer_period) AS offer_periods, (SELECT count(*) FROM leaf) AS leaves,
  (SELECT count(*) FROM checkpoint) AS checkpoints,
  (SELECT count(*) FROM transfer WHERE kind = 'hold') AS holds,
  (SELECT coalesce(max(seq), 0) FROM outbox) AS outbox_last,
  (SELECT count(*) FROM market_halt) AS halts,
  (SELECT coalesce(sum(amount), 0) FROM transfer WHERE kind = 'post')::bigint AS captured,
  (SELECT coalesce(sum(amount), 0) FROM delivery_booked)::bigint
    + (SELECT coalesce(sum(paid), 0) FROM settlement)::bigint AS paid

-- name: audit_halts
SELECT market_id, round_id, code, problem FROM market_halt LIMIT 20

-- name: audit_leaves
SELECT l.idx, l.entry, l.opening,
  EXISTS (SELECT FROM erasure AS e WHERE e.idx = l.idx) AS erased,
  t.id, t.kind, t.purpose, t.amount, t.unit, t.occurred_at, t.pending_id, t.reverses,
  t.pending_amount, t.market_id, t.round_id, t.order_id, l.cause, d.name AS debit, c.name AS credit,
  l.debit_version, l.credit_version, l.debit_posted, l.credit_posted, l.debit_pending,
  l.credit_pending
FROM leaf AS l
LEFT JOIN LATERAL (SELECT * FROM transfer WHERE leaf_idx = l.idx OFFSET 0) AS t ON true
LEFT JOIN account AS d ON d.id = t.debit_id LEFT JOIN account AS c ON c.id = t.credit_id
WHERE l.idx >= $1 ORDER BY l.idx LIMIT $2

-- name: audit_checkpoints
SELECT size, root, frontier, note FROM checkpoint WHERE size > $1 AND size <= $2 ORDER BY size

-- name: audit_checkpoints_beyond
SELECT size FROM checkpoint WHERE size > $1 LIMIT 20

-- name: audit_signed
SELECT size, root FROM signed_checkpoint WHERE size > $1 AND size <= $2 ORDER BY size

-- name: audit_signed_beyond
SELECT size FROM signed_checkpoint WHERE size > $1 LIMIT 20
