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

-- name: captured
SELECT round_id, sum(amount)::bigint AS amount FROM ledger.transfer
WHERE kind = 'post' GROUP BY round_id

-- name: linked
SELECT round_id, sum(amount)::bigint AS amount FROM ledger.transfer
WHERE purpose IN ('link_tariff', 'link_rent') GROUP BY round_id

-- name: balances
SELECT a.name, p.role, (a.credits_posted - a.debits_posted) AS posted, a.debits_pending AS reserved
FROM ledger.account AS a LEFT JOIN ledger.participant AS p
  ON a.name = 'cny:' || p.id

-- name: leaves
SELECT count(*) AS entries FROM ledger.leaf
