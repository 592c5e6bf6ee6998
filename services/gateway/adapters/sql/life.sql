-- All that happened to one order, whatever topic told it.

-- name: life_owner
SELECT participant_id FROM orders WHERE order_id = $1;

-- name: life_events
SELECT event_id, kind, version, state, reason, round_id, amount, held, chip_hours_allocated,
  chip_hours_left, cause, correlation, log_topic, log_partition, log_offset, occurred_at,
  recorded_at
FROM order_event WHERE order_id = $1
ORDER BY recorded_at, seq LIMIT $2;

-- name: life_fills
-- Whole rounds only, as everywhere. Of an offer that resells, also what it was bought as; of a
-- demand not, as of whom its seller had the chips is that one's affair.
SELECT a.event_id, a.allocation_id, a.round_id, a.correlation, a.log_partition, a.log_offset,
  a.payment, a.made_at AS occurred_at, COALESCE(a.recorded_at, a.made_at) AS recorded_at,
  CASE WHEN a.demand_id = $1 THEN a.offer_id ELSE a.demand_id END AS counter_order_id,
  (SELECT sum((p ->> 'chips')::bigint) FROM jsonb_array_elements(a.periods) AS p)::bigint
    AS chip_hours, s.allocation_id AS resale_of, s.demand_id AS resale_order_id
FROM allocation a JOIN round r USING (round_id)
LEFT JOIN allocation s ON a.offer_id = $1 AND s.enterprise_id = a.provider_id
  AND s.allocation_id = (
    SELECT t.terms ->> 'resale_of' FROM order_terms t
    WHERE t.order_id = $1 AND t.version = 1 LIMIT 1
  )
WHERE r.closed_at IS NOT NULL AND (a.demand_id = $1 OR a.offer_id = $1)
ORDER BY a.log_offset, a.seq LIMIT $2;

-- name: life_resales
-- What its owner sold on of what a demand was given.
SELECT DISTINCT b.event_id, b.allocation_id, b.round_id, b.correlation, b.log_partition,
  b.log_offset, b.payment, b.made_at AS occurred_at, b.seq,
  COALESCE(b.recorded_at, b.made_at) AS recorded_at, NULL AS counter_order_id,
  (SELECT sum((p ->> 'chips')::bigint) FROM jsonb_array_elements(b.periods) AS p)::bigint
    AS chip_hours, a.allocation_id AS resale_of, b.offer_id AS resale_order_id
FROM allocation a
JOIN order_terms t ON t.terms ->> 'resale_of' = a.allocation_id AND t.version = 1
JOIN allocation b ON b.offer_id = t.order_id AND b.provider_id = a.enterprise_id
JOIN round r ON r.round_id = b.round_id
WHERE a.demand_id = $1 AND r.closed_at IS NOT NULL
ORDER BY b.log_offset, b.seq LIMIT $2;

-- name: life_entries
-- Its entries of the journal: what was held, captured and released; and, by the settlements of its
-- allocations, what deliveries paid.
SELECT e.entry_id, e.leaf_index, e.purpose, e.kind, e.round_id, e.occurred_at, e.recorded_at,
  abs(e.amount) AS amount, convert_from(j.entry, 'UTF8')::jsonb ->> 'cause' AS cause
FROM account_entry AS e
LEFT JOIN journal_entry AS j USING (leaf_index)
WHERE e.line = 0 AND (e.order_id = $1 OR e.leaf_index IN (
  SELECT p.leaf_index FROM allocation AS a
  JOIN settlement AS s USING (allocation_id)
  JOIN settlement_entry AS p USING (settlement_id)
  WHERE a.demand_id = $1 OR a.offer_id = $1
))
ORDER BY e.leaf_index LIMIT $2;
