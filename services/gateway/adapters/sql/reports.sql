-- name: day_rounds
SELECT count(*) AS rounds, min(seq) AS first, max(seq) AS last, max(market_time) AS latest
FROM round
WHERE market_id = $1 AND closed_at IS NOT NULL AND market_time >= $2 AND market_time < $3;

-- name: day_trades
-- What a day's rounds allocated, by pool, hour and both owners.
SELECT a.pool,
  COALESCE(s.beneficial_owner, a.provider_id) AS seller,
  COALESCE(b.beneficial_owner, a.enterprise_id) AS buyer,
  (p.value ->> 'start')::timestamptz AS hour,
  sum((p.value ->> 'chips')::bigint)::bigint AS chips,
  sum((p.value ->> 'chips')::bigint * (p.value ->> 'price')::bigint) AS value,
  COALESCE(sum((p.value ->> 'chips')::bigint) FILTER (WHERE t.resale_of IS NOT NULL), 0)::bigint
    AS resold
FROM round r
JOIN allocation a USING (round_id)
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p (value)
LEFT JOIN order_terms t ON t.order_id = a.offer_id AND t.version = 1
LEFT JOIN participant_owner s ON s.participant_id = a.provider_id
LEFT JOIN participant_owner b ON b.participant_id = a.enterprise_id
WHERE r.market_id = $1 AND r.closed_at IS NOT NULL
  AND r.market_time >= $2 AND r.market_time < $3
GROUP BY 1, 2, 3, 4 ORDER BY 1, 4, 2, 3;

-- name: day_flows
-- The same by pool and by where the demand's users or data are.
SELECT a.pool, o.terms ->> 'user_zone' AS user_zone, o.terms ->> 'data_zone' AS data_zone,
  sum((p.value ->> 'chips')::bigint)::bigint AS chips,
  sum((p.value ->> 'chips')::bigint * (p.value ->> 'price')::bigint) AS value
FROM round r
JOIN allocation a USING (round_id)
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p (value)
LEFT JOIN order_shown o ON o.order_id = a.demand_id
WHERE r.market_id = $1 AND r.closed_at IS NOT NULL
  AND r.market_time >= $2 AND r.market_time < $3
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: day_period_prices
-- Latest clearing prices where there was supply.
SELECT pool, period, price FROM price
WHERE market_id = $1 AND period >= $2 AND period < $3 AND offered > 0
ORDER BY pool, period;

-- name: day_emergencies
SELECT r.mobilisation_id, COALESCE(m.terms ->> 'reason', '') AS reason,
  COALESCE(m.proposed_by, '') AS proposed_by, COALESCE(m.declared_by, '') AS declared_by,
  r.round_id, r.market_time, r.demands, r.demands_served, r.chip_hours, r.reserve_chip_hours,
  r.price_max, r.price_cap, r.payment
FROM mobilisation_round AS r
LEFT JOIN mobilisation AS m USING (mobilisation_id)
WHERE r.market_id = $1 AND r.market_time >= $2 AND r.market_time < $3
ORDER BY r.market_time, r.round_id LIMIT $4;

-- name: day_displacements
SELECT round_id, market_time, mobilisations, status, welfare, welfare_without, demands,
  chip_hours, value
FROM mobilisation_displaced
WHERE market_id = $1 AND market_time >= $2 AND market_time < $3
ORDER BY market_time, round_id LIMIT $4;

-- name: day_displaced
SELECT d.round_id, d.market_time, d.mobilisations, d.status,
  row.value ->> 'demand_id' AS demand_id,
  COALESCE(o.participant_id, '') AS participant_id,
  (row.value ->> 'chip_hours')::bigint AS chip_hours,
  (row.value ->> 'value')::bigint AS value
FROM mobilisation_displaced AS d
CROSS JOIN LATERAL jsonb_array_elements(d.displaced) WITH ORDINALITY AS row (value, n)
LEFT JOIN order_shown AS o ON o.order_id = row.value ->> 'demand_id'
WHERE d.market_id = $1 AND d.market_time >= $2 AND d.market_time < $3
ORDER BY d.market_time, d.round_id, row.n LIMIT $4;

-- name: day_shares
SELECT s.body
FROM round AS r
JOIN round_share AS s USING (market_id, seq)
WHERE r.market_id = $1 AND r.closed_at IS NOT NULL
  AND r.market_time >= $2 AND r.market_time < $3
ORDER BY s.seq LIMIT $4;

-- name: day_clock
-- How far the stamp of an event is from the market's clock when it was recorded, in real
-- microseconds; the market's clock shows $4 at the real instant $5 and runs $6 times as fast.
WITH stamped AS (
  SELECT
    CASE
      WHEN e.kind IN ('submitted', 'amended', 'cancel_requested') THEN 'gateway'
      WHEN e.kind = 'status' THEN 'matching'
      ELSE 'ledger'
    END AS source,
    (extract(epoch FROM e.recorded_at - $5::timestamptz)
      - extract(epoch FROM e.occurred_at - $4::timestamptz) / $6::numeric) * 1000000 AS late_us
  FROM order_event e
  JOIN orders o USING (order_id)
  WHERE o.market_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
)
SELECT source, count(*) AS events,
  round(min(late_us))::bigint AS earliest_us,
  round(percentile_disc(0.5) WITHIN GROUP (ORDER BY late_us))::bigint AS p50_us,
  round(percentile_disc(0.99) WITHIN GROUP (ORDER BY late_us))::bigint AS p99_us,
  round(max(late_us))::bigint AS latest_us,
  count(*) FILTER (
    WHERE late_us < -$7::bigint OR source = 'gateway' AND late_us > $7::bigint
  ) AS beyond
FROM stamped GROUP BY source ORDER BY source;

-- name: day_linkage
-- What of an order's life does not lead back to the order: it must be nothing. A record that could
-- not be read has no order to lead to; it is in the register of dead letters.
SELECT 'order' AS missing, e.order_id AS parent_id, e.event_id, e.kind, e.occurred_at
FROM order_event e
JOIN orders o USING (order_id)
WHERE o.market_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
  AND o.submitted_at IS NULL AND COALESCE(e.reason ->> 'code', '') <> 'invalid_record'
UNION ALL
SELECT 'cause', e.cause, e.event_id, e.kind, e.occurred_at
FROM order_event e
JOIN orders o USING (order_id)
WHERE o.market_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
  AND e.cause <> '' AND e.round_id IS NULL
  AND e.kind IN ('status', 'hold_placed', 'hold_refused', 'capacity_wanted', 'capacity_held',
    'capacity_refused')
  AND o.submitted_at IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM order_event c WHERE c.event_id = e.cause AND c.order_id = e.order_id
  )
  -- What a round's end held again leads back to the round, as what it captured then does.
  AND NOT EXISTS (
    SELECT 1 FROM order_event c
    WHERE c.occurred_at = e.occurred_at AND c.cause = e.cause AND c.round_id IS NOT NULL
  )
UNION ALL
SELECT 'order', side.order_id, a.allocation_id, 'allocation', a.made_at
FROM allocation a
CROSS JOIN LATERAL (VALUES (a.demand_id), (a.offer_id)) AS side (order_id)
WHERE a.market_id = $1 AND a.made_at >= $2 AND a.made_at < $3
  AND NOT EXISTS (
    SELECT 1 FROM orders o WHERE o.order_id = side.order_id AND o.submitted_at IS NOT NULL
  )
UNION ALL
SELECT 'round', a.round_id, a.allocation_id, 'allocation', a.made_at
FROM allocation a
WHERE a.market_id = $1 AND a.made_at >= $2 AND a.made_at < $3
  AND NOT EXISTS (SELECT 1 FROM round r WHERE r.round_id = a.round_id AND r.sealed IS NOT NULL)
ORDER BY 5, 3 LIMIT $4;

-- name: day_linked
SELECT count(*) FROM order_event e JOIN orders o USING (order_id)
WHERE o.market_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3;

-- name: day_dead_letters
SELECT * FROM dead_letter
WHERE buried_at >= $1 AND buried_at < $2 ORDER BY buried_at, log_partition, log_offset LIMIT $3;

-- name: day_cases
SELECT case_id, kind, severity, state, revision, raised_at, body
FROM surveillance_case WHERE market_id = $1 AND day = $2 ORDER BY seq LIMIT $3;
