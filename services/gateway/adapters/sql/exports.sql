-- Bulk exports of a market's day. $1 market, [$2, $3) the day, $4 whose rows (null: everybody's).

-- name: export_days
-- Days with a closed round, latest first, and what makes a day's files stay as they are: a round,
-- a status and a journal entry after it, each on a topic that is read in its order.
WITH day AS (
  SELECT DISTINCT (market_time AT TIME ZONE 'UTC')::date AS day FROM round
  WHERE market_id = $1 AND closed_at IS NOT NULL
    AND ($2::date IS NULL OR (market_time AT TIME ZONE 'UTC')::date < $2)
    AND ($3::date IS NULL OR (market_time AT TIME ZONE 'UTC')::date = $3)
), ended AS (
  SELECT day, (day + 1)::timestamp AT TIME ZONE 'UTC' AS end_at,
    ((day + 1) - date '1970-01-01') * 24 AS end_hour
  FROM day ORDER BY day DESC LIMIT $4
)
SELECT e.day,
  EXISTS (
    SELECT FROM round r
    WHERE r.market_id = $1 AND r.closed_at IS NOT NULL AND r.market_time >= e.end_at
  ) AS has_round,
  EXISTS (
    SELECT FROM order_event s JOIN orders o USING (order_id)
    WHERE s.kind = 'status' AND s.occurred_at >= e.end_at AND o.market_id = $1
  ) AS has_status,
  h.size, h.root
FROM ended e
LEFT JOIN LATERAL (
  -- The first head that covers all that happened until the day ended.
  SELECT size, root FROM log_head
  WHERE size >= (SELECT min(first_leaf) FROM journal_hour WHERE hour >= e.end_hour)
  ORDER BY size LIMIT 1
) AS h ON true
ORDER BY e.day DESC;

-- name: export_rounds
SELECT round_id, seq, market_time, cleared ->> 'status' AS status,
  (cleared ->> 'offers')::bigint AS offers, (cleared ->> 'demands')::bigint AS demands,
  (cleared ->> 'demands_filled')::bigint AS demands_filled,
  (cleared ->> 'demands_part_filled')::bigint AS demands_part_filled,
  (cleared ->> 'allocations')::bigint AS allocations,
  (cleared ->> 'chip_hours')::bigint AS chip_hours, (cleared ->> 'payment')::bigint AS payment,
  (cleared ->> 'welfare')::bigint AS welfare, (cleared ->> 'bound')::bigint AS bound,
  (cleared ->> 'gap_ppm')::bigint AS gap_ppm,
  (cleared ->> 'total_regret')::bigint AS total_regret, sealed ->> 'book_digest' AS book_digest,
  sealed ->> 'rules_digest' AS rules_digest, cleared ->> 'result_digest' AS result_digest,
  file_sha256
FROM round
WHERE market_id = $1 AND closed_at IS NOT NULL AND market_time >= $2 AND market_time < $3
  AND $4::text IS NULL
ORDER BY seq;

-- name: export_prices
SELECT r.round_id, r.seq, r.market_time, c.pool, split_part(c.pool, '/', 1) AS zone,
  split_part(c.pool, '/', 2) AS chip,
  to_timestamp((c.first_period + u.nth - 1) * 3600) AS period,
  CASE WHEN u.chips > 0 OR u.offered > 0 AND u.price > 0 THEN u.price END AS price,
  COALESCE(u.chips, 0) AS chips, COALESCE(u.offered, 0) AS offered
FROM round r
JOIN round_curve c ON c.round_id = r.round_id AND c.kind = 'clearing'
CROSS JOIN LATERAL unnest(c.prices, c.chips, c.offered)
  WITH ORDINALITY AS u (price, chips, offered, nth)
WHERE r.market_id = $1 AND r.closed_at IS NOT NULL
  AND r.market_time >= $2 AND r.market_time < $3 AND $4::text IS NULL
ORDER BY r.seq, c.pool COLLATE "C", u.nth;

-- name: export_allocations
SELECT a.allocation_id, a.round_id, r.seq, r.market_time, a.demand_id, a.enterprise_id, a.offer_id,
  a.provider_id, a.pool, (p.value ->> 'start')::timestamptz AS period,
  (p.value ->> 'chips')::bigint AS chips, (p.value ->> 'price')::bigint AS price
FROM round r
JOIN allocation a USING (round_id)
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p
WHERE r.market_id = $1 AND r.closed_at IS NOT NULL
  AND r.market_time >= $2 AND r.market_time < $3
  AND ($4::text IS NULL OR $4 IN (a.enterprise_id, a.provider_id))
ORDER BY r.seq, a.allocation_id COLLATE "C", p.value ->> 'start' COLLATE "C";

-- name: export_orders
-- As submitted that day, with the state that each was in when the day ended.
SELECT o.order_id, o.side, o.participant_id, o.submitted_at, o.log_partition::bigint,
  o.log_offset, t.terms::text AS terms, s.state, s.version::bigint AS version,
  s.chip_hours_allocated, s.chip_hours_left
FROM orders o
JOIN LATERAL (
  SELECT terms FROM order_terms
  WHERE order_id = o.order_id AND version = 1 ORDER BY log_offset LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (
  SELECT state, version, chip_hours_allocated, chip_hours_left FROM order_event
  WHERE order_id = o.order_id AND kind = 'status' AND occurred_at < $3
  ORDER BY log_offset DESC LIMIT 1
) AS s ON true
WHERE o.market_id = $1 AND o.submitted_at >= $2 AND o.submitted_at < $3
  AND ($4::text IS NULL OR o.participant_id = $4)
ORDER BY o.submitted_at, o.order_id COLLATE "C";
