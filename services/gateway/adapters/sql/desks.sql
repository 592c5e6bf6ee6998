-- name: desk_days
-- A participant has one role, so that one of the two sides is empty.
SELECT
  date_trunc('day', (p.value ->> 'start')::timestamptz AT TIME ZONE 'Asia/Shanghai')
    AT TIME ZONE 'Asia/Shanghai' AS day,
  sum((p.value ->> 'chips')::bigint)::bigint AS chip_hours,
  sum((p.value ->> 'chips')::bigint * (p.value ->> 'price')::bigint)::bigint AS amount
FROM allocation a
JOIN round r USING (round_id)
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p (value)
WHERE (a.enterprise_id = $1 OR a.provider_id = $1) AND r.closed_at IS NOT NULL AND a.made_at >= $2
GROUP BY 1 ORDER BY 1;

-- name: desk_sites
WITH offered AS (
  SELECT t.terms ->> 'zone' AS zone, t.terms ->> 'chip' AS chip,
    sum((t.terms ->> 'chips')::bigint * (
      extract(epoch FROM (t.terms ->> 'end')::timestamptz - (t.terms ->> 'start')::timestamptz)
    )::bigint / 3600) AS offered
  FROM order_shown AS t
  WHERE t.side = 'offer' AND t.participant_id = $1 AND t.submitted_at >= $2
    AND t.state <> 'rejected'
  GROUP BY 1, 2
),
sold AS (
  SELECT split_part(a.pool, '/', 1) AS zone, split_part(a.pool, '/', 2) AS chip,
    sum((p.value ->> 'chips')::bigint) AS sold,
    sum((p.value ->> 'chips')::bigint * (p.value ->> 'price')::bigint) AS revenue
  FROM allocation a
  JOIN round r USING (round_id)
  CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p (value)
  WHERE a.provider_id = $1 AND r.closed_at IS NOT NULL AND a.made_at >= $2
  GROUP BY 1, 2
),
delivered AS (
  SELECT split_part(a.pool, '/', 1) AS zone, split_part(a.pool, '/', 2) AS chip,
    sum(d.chips) AS delivered
  FROM allocation a
  JOIN delivered_period d USING (allocation_id)
  WHERE a.provider_id = $1 AND a.made_at >= $2
  GROUP BY 1, 2
)
SELECT zone, chip, COALESCE(offered, 0)::bigint AS offered, COALESCE(sold, 0)::bigint AS sold,
  COALESCE(delivered, 0)::bigint AS delivered, COALESCE(revenue, 0)::bigint AS revenue
FROM offered FULL JOIN sold USING (zone, chip) LEFT JOIN delivered USING (zone, chip)
ORDER BY zone, chip;

-- name: desk_hours
-- What was withdrawn or ended early is no capacity any more, but for what it had sold.
WITH offered AS (
  SELECT (t.terms ->> 'chips')::bigint AS chips,
    extract(epoch FROM (t.terms ->> 'start')::timestamptz)::bigint / 3600 AS first,
    extract(epoch FROM (t.terms ->> 'end')::timestamptz)::bigint / 3600 AS last
  FROM order_shown AS t
  WHERE t.side = 'offer' AND t.participant_id = $1
    AND t.state IN ('accepted', 'open', 'part-filled', 'filled')
    AND (t.terms ->> 'end')::timestamptz > to_timestamp($2::bigint * 3600)
),
sold AS (
  SELECT extract(epoch FROM (p.value ->> 'start')::timestamptz)::bigint / 3600 AS period,
    sum((p.value ->> 'chips')::bigint) AS chips
  FROM allocation a
  JOIN round r USING (round_id)
  CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p (value)
  WHERE a.provider_id = $1 AND r.closed_at IS NOT NULL
    AND a.made_at >= to_timestamp(($2::bigint - 400) * 3600)
  GROUP BY 1
)
SELECT h.period,
  GREATEST(COALESCE(o.chips, 0), COALESCE(s.chips, 0))::bigint AS offered,
  COALESCE(s.chips, 0)::bigint AS sold
FROM generate_series($2::bigint, $3::bigint - 1) AS h (period)
LEFT JOIN LATERAL (
  SELECT sum(chips) AS chips FROM offered WHERE first <= h.period AND last > h.period
) AS o ON true
LEFT JOIN sold AS s ON s.period = h.period
ORDER BY h.period;

-- name: desk_budgets
SELECT count(*) AS live, count(terms ->> 'budget') AS capped,
  COALESCE(sum((terms ->> 'budget')::bigint), 0)::bigint AS budget
FROM order_shown
WHERE side = 'demand' AND participant_id = $1 AND state IN ('accepted', 'open', 'part-filled');

-- name: desk_budget_use
-- What was spent is over all rounds and all terms that the demand had; its budget is of the terms
-- in force.
SELECT o.order_id, (o.terms ->> 'budget')::bigint AS budget,
  CASE WHEN o.hold_state = 'placed' THEN COALESCE(o.hold_amount, 0) ELSE 0 END::bigint AS held,
  COALESCE(s.spent, 0)::bigint AS spent, o.chip_hours_allocated, o.chip_hours_left
FROM order_shown AS o
LEFT JOIN LATERAL (
  SELECT sum(a.payment) AS spent
  FROM allocation a JOIN round r USING (round_id)
  WHERE a.demand_id = o.order_id AND r.closed_at IS NOT NULL
) AS s ON true
WHERE o.side = 'demand' AND o.participant_id = $1
  AND o.state IN ('accepted', 'open', 'part-filled') AND o.terms ->> 'budget' IS NOT NULL
ORDER BY o.submitted_at DESC, o.order_id LIMIT $2;
