-- name: positions
SELECT 'gateway' AS service, topic, partition, next_offset FROM gateway.consumer_offset
UNION ALL
SELECT 'matching', topic, partition, next_offset FROM matching.consumer_offset
UNION ALL
SELECT 'ledger', topic, partition, next_offset FROM ledger.consumer_offset
UNION ALL
SELECT 'auditor', topic, partition, next_offset FROM auditor.consumer_offset

-- name: unsent
SELECT 'matching' AS service, count(*) AS records FROM matching.outbox WHERE sent_at IS NULL
UNION ALL
SELECT 'ledger', count(*) FROM ledger.outbox WHERE sent_at IS NULL
UNION ALL
SELECT 'auditor', count(*) FROM auditor.outbox WHERE sent_at IS NULL

-- name: published
SELECT round_id, published_at FROM matching.round WHERE published_at IS NOT NULL

-- name: as_regulator
SET LOCAL ROLE ledger_regulator

-- name: turnover
SELECT purpose, kind, count(*) AS entries, sum(amount)::bigint AS amount,
  coalesce(sum(pending_amount), 0)::bigint AS pending
FROM ledger.transfer GROUP BY purpose, kind

-- name: by_round
-- What each round took from holds, what of it is for links, and what imported supply is charged.
SELECT round_id,
  coalesce(sum(amount) FILTER (WHERE kind = 'post'), 0)::bigint AS captured,
  coalesce(sum(amount) FILTER (WHERE purpose IN ('link_tariff', 'link_rent')), 0)::bigint AS links,
  coalesce(sum(amount) FILTER (WHERE purpose = 'premium_assessed'), 0)::bigint AS charges
FROM ledger.transfer WHERE round_id IS NOT NULL GROUP BY round_id

-- name: fund_least
-- The least that the policy fund ever was, over all its entries; it begins with nothing.
SELECT least(0, min(s.balance))::bigint AS least FROM (
  SELECT sum(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END)
    OVER (ORDER BY t.leaf_idx) AS balance
  FROM ledger.account AS a JOIN ledger.transfer AS t ON a.id IN (t.debit_id, t.credit_id)
  WHERE a.name = 'policy:' || $1
) AS s

-- name: balances
SELECT a.name, p.role, (a.credits_posted - a.debits_posted) AS posted, a.debits_pending AS reserved
FROM ledger.account AS a LEFT JOIN ledger.participant AS p
  ON a.name = 'cny:' || p.id

-- name: leaves
SELECT count(*) AS entries FROM ledger.leaf
