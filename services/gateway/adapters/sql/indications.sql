-- name: projected_orders
-- The book as the next round would take it, each order with the terms in force; or one account's
-- demand in it.
SELECT order_id, side, participant_id, version, state, hold_amount, terms
FROM order_shown
WHERE market_id = $1 AND state IN ('open', 'part-filled')
  AND ($2::text IS NULL OR (participant_id = $2 AND side = 'demand'))
LIMIT $3::bigint;

-- name: projected_fills
-- What whole rounds allocated of open orders, by period; of a demand, under the terms in force:
-- what it was given before an amendment is not part of what the new terms ask for.
SELECT x.order_id, (p.value ->> 'start')::timestamptz AS start, min(a.pool) AS pool,
  sum((p.value ->> 'chips')::bigint)::bigint AS chips
FROM (
  SELECT o.order_id, o.order_id AS offer_id, NULL::text AS demand_id, NULL::timestamptz AS since
  FROM orders o
  WHERE o.market_id = $1 AND o.side = 'offer' AND o.state IN ('open', 'part-filled')
    AND $2::text IS NULL
  UNION ALL
  SELECT o.order_id, NULL, o.order_id, t.recorded_at
  FROM orders o
  JOIN order_shown s ON s.order_id = o.order_id
  JOIN order_terms t ON t.event_id = s.terms_id
  WHERE o.market_id = $1 AND o.side = 'demand' AND o.state = 'part-filled'
    AND ($2::text IS NULL OR o.participant_id = $2)
) AS x
JOIN allocation a ON (a.offer_id = x.offer_id OR a.demand_id = x.demand_id)
JOIN round r ON r.round_id = a.round_id AND r.closed_at IS NOT NULL
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p
WHERE x.offer_id IS NOT NULL OR a.recorded_at >= x.since
GROUP BY 1, 2;

-- name: suspended
SELECT participant_id FROM participant WHERE status = 'suspended';

-- name: indication_age
SELECT extract(epoch FROM clock_timestamp() - made_at)::float8 FROM indication WHERE market_id = $1;

-- name: put_indication
INSERT INTO indication AS i (market_id, seq, as_of, cpu_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (market_id) DO UPDATE SET seq = excluded.seq, as_of = excluded.as_of,
  cpu_ms = excluded.cpu_ms, made_at = clock_timestamp()
WHERE (i.seq, i.as_of) <= (excluded.seq, excluded.as_of)
RETURNING market_id;

-- name: drop_indicative_prices
DELETE FROM indicative_price WHERE market_id = $1;

-- name: put_indicative_prices
INSERT INTO indicative_price (market_id, pool, period, price, low, high)
SELECT $1, pool, period, price, low, high
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS r (pool, period, price, low, high);

-- name: drop_likelihoods
DELETE FROM order_likelihood WHERE market_id = $1;

-- name: put_likelihoods
INSERT INTO order_likelihood (market_id, order_id, filled_ppm, share_ppm, books)
SELECT $1, order_id, filled_ppm, share_ppm, books
FROM unnest($2::text[], $3::int[], $4::int[], $5::int[])
  AS r (order_id, filled_ppm, share_ppm, books);

-- name: indicative_prices
-- Of a round that has taken its book there is nothing to indicate any more.
SELECT p.pool, p.period, p.price, p.low, p.high, i.seq, i.as_of
FROM indicative_price p
JOIN indication i USING (market_id)
WHERE p.market_id = $1 AND ($2::text IS NULL OR p.pool = $2)
  AND ($3::text IS NULL OR (p.pool, p.period) > ($3, $4::bigint))
  AND NOT EXISTS (SELECT FROM round r WHERE r.market_id = i.market_id AND r.seq >= i.seq)
ORDER BY p.pool, p.period LIMIT $5;

-- name: likelihood
SELECT l.order_id, l.market_id, i.seq, i.as_of, l.filled_ppm, l.share_ppm, l.books
FROM order_likelihood l
JOIN indication i USING (market_id)
WHERE l.order_id = $1
  AND NOT EXISTS (SELECT FROM round r WHERE r.market_id = i.market_id AND r.seq >= i.seq);
