-- Statistics and indices, cut from the prices that the projection keeps by pool and period.

-- name: priced_span
-- Without a trade or an offer nothing is known of a market's hours.
SELECT min(period) AS first, max(period) + 1 AS end_period FROM price WHERE market_id = $1;

-- name: statistics
-- $2 group, $3 periods of a window, [$4, $5) whole windows, after ($6, $7), at most $8.
WITH zone AS (
  SELECT z.value ->> 'id' AS zone, z.value ->> 'region' AS region
  FROM market m CROSS JOIN LATERAL jsonb_array_elements(m.body -> 'zones') AS z
  WHERE m.market_id = $1
), chip AS (
  SELECT c.value ->> 'id' AS chip, (c.value ->> 'tflops')::bigint AS tflops
  FROM market m CROSS JOIN LATERAL jsonb_array_elements(m.body -> 'chips') AS c
  WHERE m.market_id = $1
), cell AS (
  SELECT
    CASE WHEN $2::text = 'pool' THEN p.pool END AS pool,
    CASE WHEN $2::text IN ('pool', 'chip', 'chip-region') THEN chip.chip END AS chip,
    CASE WHEN $2::text IN ('pool', 'region', 'chip-region') THEN zone.region END AS region,
    p.period / $3::bigint * $3::bigint AS start,
    p.low, p.high, p.chips_total, p.value_total, p.last_price, p.last_chips, p.last_seq,
    chip.tflops
  FROM price p
  -- A pool that a later version of the market left out counts no more.
  JOIN zone ON zone.zone = split_part(p.pool, '/', 1)
  JOIN chip ON chip.chip = split_part(p.pool, '/', 2)
  WHERE p.market_id = $1 AND p.period >= $4 AND p.period < $5
), latest AS (
  SELECT *, concat_ws('|', pool, chip, region) AS key,
    max(last_seq) OVER (PARTITION BY pool, chip, region, start) AS newest
  FROM cell
), found AS (
  SELECT key, pool, chip, region, start, max(last_seq) AS last_seq, min(low) AS low,
    max(high) AS high, sum(chips_total)::bigint AS volume, sum(value_total) AS value,
    div(sum(value_total), NULLIF(sum(chips_total), 0)) AS average,
    sum(chips_total * tflops)::bigint AS tflops_hours,
    div(
      sum(last_price::numeric * last_chips) FILTER (WHERE last_seq = newest),
      sum(last_chips) FILTER (WHERE last_seq = newest)
    ) AS last
  FROM latest GROUP BY key, pool, chip, region, start
)
SELECT * FROM found
WHERE ($6::text IS NULL OR (key, start) > ($6, $7::bigint))
  AND ($9::text IS NULL OR filter_holds($9::text::jsonb, jsonb_build_object(
    'pool', pool, 'chip', chip, 'region', region, 'start', start * 3600000000, 'last', last,
    'min', low, 'max', high, 'average', average, 'value', value, 'volume', volume)))
ORDER BY key, start LIMIT $8;

-- name: indices
-- $2 periods of a window, [$3, $4) whole windows, carried over at most $5 periods,
-- after ($6, $7), at most $8.
WITH zone AS (
  SELECT z.value ->> 'id' AS zone, z.value ->> 'region' AS region
  FROM market m CROSS JOIN LATERAL jsonb_array_elements(m.body -> 'zones') AS z
  WHERE m.market_id = $1
), chip AS (
  SELECT c.value ->> 'id' AS chip, (c.value ->> 'tflops')::bigint AS tflops
  FROM market m CROSS JOIN LATERAL jsonb_array_elements(m.body -> 'chips') AS c
  WHERE m.market_id = $1
), traded AS (
  SELECT chip.chip, zone.region, chip.tflops, p.period / $2::bigint * $2::bigint AS start,
    sum(p.chips_total)::bigint AS volume, div(sum(p.value_total), sum(p.chips_total)) AS index
  FROM price p
  JOIN zone ON zone.zone = split_part(p.pool, '/', 1)
  JOIN chip ON chip.chip = split_part(p.pool, '/', 2)
  -- The window before the first one tells its change, and may itself carry.
  WHERE p.market_id = $1 AND p.period >= $3::bigint - $5::bigint - $2::bigint
    AND p.period < $4::bigint AND p.chips_total > 0
  GROUP BY 1, 2, 3, 4
), pair AS (
  SELECT DISTINCT chip, region, tflops FROM traded
), filled AS (
  SELECT pair.*, win.start, t.volume, max(t.start) OVER (
      PARTITION BY pair.chip, pair.region ORDER BY win.start
      RANGE BETWEEN $5::bigint PRECEDING AND CURRENT ROW
    ) AS traded_at
  FROM pair
  CROSS JOIN generate_series(
    $3::bigint - $5::bigint - $2::bigint, $4::bigint - 1, $2::bigint
  ) AS win (start)
  LEFT JOIN traded t ON t.chip = pair.chip AND t.region = pair.region AND t.start = win.start
), valued AS (
  SELECT f.*, t.index, lag(t.index) OVER (
      PARTITION BY f.chip, f.region ORDER BY f.start
    ) AS before
  FROM filled f
  LEFT JOIN traded t ON t.chip = f.chip AND t.region = f.region AND t.start = f.traded_at
), found AS (
  SELECT chip || '|' || region AS key, chip, region, start, index,
    NULLIF(traded_at, start) AS carried_from, COALESCE(volume, 0) AS volume,
    floor((index - before) * 1000000 / NULLIF(before, 0))::bigint AS change_ppm,
    div(index * 1000, tflops) AS per_pflops_hour
  FROM valued WHERE start >= $3::bigint
)
SELECT * FROM found
WHERE ($6::text IS NULL OR (key, start) > ($6, $7::bigint))
  AND ($9::text IS NULL OR filter_holds($9::text::jsonb, jsonb_build_object(
    'chip', chip, 'region', region, 'start', start * 3600000000,
    'carried_from', carried_from * 3600000000, 'index', index, 'volume', volume,
    'change_ppm', change_ppm)))
ORDER BY key, start LIMIT $8;

-- name: book_head
SELECT feed, next_seq - 1 AS seq FROM stream_head;

-- name: book_changes
-- Orders of the first $4 that were told of in feed $2 since $3, and up to where that is; no orders
-- if that is another feed or older than is kept.
SELECT h.feed, COALESCE(t.told < $4, true) AS is_all,
  CASE WHEN t.told >= $4 THEN t.last_seq ELSE h.next_seq - 1 END AS seq,
  CASE WHEN h.feed = $2 AND h.kept_from <= $3::bigint + 1 THEN t.ids END AS ids
FROM stream_head h
CROSS JOIN LATERAL (
  SELECT count(*) AS told, max(seq) AS last_seq, COALESCE(array_agg(subject), '{}') AS ids
  FROM (
    SELECT seq, subject FROM stream_event
    WHERE seq > $3 AND stream = 'orders' AND market_id = $1
    ORDER BY seq LIMIT $4
  ) AS event
) AS t;

-- name: open_book
-- The book as the next round would take it: what waits for its hold is not in it yet. Most orders
-- have one version of their terms, which is found without asking what else was wished for.
SELECT o.order_id, o.side, o.chip_hours_left, COALESCE(t.event_id, s.terms_id) AS terms_id
FROM orders o
LEFT JOIN order_terms t ON o.version = 1 AND t.order_id = o.order_id AND t.version = 1
  AND NOT EXISTS (
    SELECT FROM order_terms AS u
    WHERE u.order_id = o.order_id AND u.version = 1 AND u.event_id <> t.event_id
  )
LEFT JOIN order_shown s ON t.event_id IS NULL AND s.order_id = o.order_id
WHERE o.market_id = $1 AND o.state IN ('open', 'part-filled') AND o.submitted_at IS NOT NULL;

-- name: open_book_of
SELECT o.order_id, o.side, o.chip_hours_left, s.terms_id
FROM orders o LEFT JOIN order_shown s ON s.order_id = o.order_id
WHERE o.order_id = ANY ($2::text[]) AND o.market_id = $1 AND o.state IN ('open', 'part-filled');

-- name: offers_taken
-- Chips of open offers that whole rounds have allocated already.
SELECT a.offer_id, (p.value ->> 'start')::timestamptz AS start,
  sum((p.value ->> 'chips')::bigint)::bigint AS chips
FROM orders o
JOIN allocation a ON a.offer_id = o.order_id
JOIN round r ON r.round_id = a.round_id AND r.closed_at IS NOT NULL
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p
WHERE o.market_id = $1 AND o.side = 'offer' AND o.state IN ('open', 'part-filled')
GROUP BY 1, 2;

-- name: offers_taken_of
SELECT a.offer_id, (p.value ->> 'start')::timestamptz AS start,
  sum((p.value ->> 'chips')::bigint)::bigint AS chips
FROM orders o
JOIN allocation a ON a.offer_id = o.order_id
JOIN round r ON r.round_id = a.round_id AND r.closed_at IS NOT NULL
CROSS JOIN LATERAL jsonb_array_elements(a.periods) AS p
WHERE o.order_id = ANY ($2::text[]) AND o.market_id = $1 AND o.side = 'offer'
  AND o.state IN ('open', 'part-filled')
GROUP BY 1, 2;

-- name: kept_book
SELECT body FROM kept_book WHERE market_id = $1;

-- name: keep_book
INSERT INTO kept_book (market_id, body) VALUES ($1, $2)
ON CONFLICT (market_id) DO UPDATE SET body = excluded.body, kept_at = clock_timestamp();
