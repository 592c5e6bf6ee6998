-- name: market
-- The body only if the caller does not know this version already.
SELECT CASE WHEN log_offset IS DISTINCT FROM $2::bigint THEN body END AS body, defined_at,
  log_offset
FROM market WHERE market_id = $1;

-- name: markets
SELECT market_id, body, defined_at FROM market
WHERE ($1::text IS NULL OR market_id > $1)
  AND ($3::text IS NULL OR filter_holds($3::text::jsonb, jsonb_build_object(
    'market_id', market_id, 'zone', jsonb_path_query_array(body, '$.zones[*].id'),
    'region', jsonb_path_query_array(body, '$.zones[*].region'),
    'cloud', jsonb_path_query_array(body, '$.zones[*].cloud'),
    'chip', jsonb_path_query_array(body, '$.chips[*].id'),
    'vendor', jsonb_path_query_array(body, '$.chips[*].vendor'),
    'defined_at', micros(defined_at))))
ORDER BY market_id LIMIT $2;

-- name: pools_elsewhere
-- Every zone with every chip class of a market is a pool of it.
SELECT DISTINCT ON (zone, chip) m.market_id, z ->> 'id' AS zone, c ->> 'id' AS chip
FROM market m, jsonb_array_elements(m.body -> 'zones') AS z,
  jsonb_array_elements(m.body -> 'chips') AS c
WHERE m.market_id <> $1
ORDER BY zone, chip, m.market_id;

-- name: put_market
INSERT INTO market AS m (market_id, body, defined_at, log_offset)
VALUES ($1, $2::text::jsonb, $3, $4)
ON CONFLICT (market_id) DO UPDATE SET
  body = excluded.body, defined_at = excluded.defined_at, log_offset = excluded.log_offset
WHERE m.log_offset < excluded.log_offset;

-- name: put_definition
INSERT INTO market_definition (market_id, log_offset, body, defined_at)
VALUES ($1, $4, $2::text::jsonb, $3)
ON CONFLICT DO NOTHING;

-- name: definitions
-- The latest first.
SELECT body, defined_at, log_offset FROM market_definition
WHERE market_id = $1 AND ($2::bigint IS NULL OR log_offset < $2)
ORDER BY log_offset DESC LIMIT $3;

-- name: put_round_sealed
INSERT INTO round AS r (round_id, market_id, seq, market_time, sealed)
VALUES ($1, $2, $3, $4, $5::text::jsonb)
ON CONFLICT (round_id) DO UPDATE SET
  sealed = excluded.sealed, market_time = excluded.market_time;

-- name: put_round_cleared
INSERT INTO round AS r (round_id, market_id, seq, market_time, cleared)
VALUES ($1, $2, $3, $4, $5::text::jsonb)
ON CONFLICT (round_id) DO UPDATE SET
  cleared = excluded.cleared, market_time = excluded.market_time;

-- name: put_round_closed
INSERT INTO round AS r (round_id, market_id, seq, market_time, closed_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (round_id) DO UPDATE SET closed_at = COALESCE(r.closed_at, excluded.closed_at);

-- name: put_round_file
INSERT INTO round AS r (round_id, market_id, seq, market_time, file_state, file_sha256)
VALUES ($1, $2, $3, $4, 'partial', $5)
ON CONFLICT (round_id) DO UPDATE SET
  file_state = 'partial', file_sha256 = excluded.file_sha256
WHERE r.file_state = 'none';

-- name: put_file_part
INSERT INTO round_file_part (round_id, part, parts, data) VALUES ($1, $2, $3, $4)
ON CONFLICT (round_id, part) DO NOTHING;

-- name: file_parts_have
SELECT count(*) = max(parts) AS whole, r.file_sha256, r.file_state
FROM round_file_part p JOIN round r USING (round_id)
WHERE p.round_id = $1
GROUP BY r.file_sha256, r.file_state;

-- name: file_parts
SELECT data FROM round_file_part WHERE round_id = $1 ORDER BY part;

-- name: file_part
SELECT data FROM round_file_part WHERE round_id = $1 AND part = $2;

-- name: set_file_state
UPDATE round SET file_state = $2, file_bytes = $3, is_ruled = $4 WHERE round_id = $1;

-- name: put_curve
-- A curve counts once: a repeat of its event neither changes it nor the statistics.
WITH fresh AS (
  INSERT INTO round_curve (round_id, kind, pool, first_period, prices, chips, offered)
  VALUES ($1, 'clearing', $4, $5, $6::bigint[], $7::bigint[], $8::bigint[])
  ON CONFLICT (round_id, kind, pool) DO NOTHING
  RETURNING pool, first_period, prices, chips, offered
)
INSERT INTO price AS p
  (market_id, pool, period, price, chips, offered, round_id, round_seq, low, high, chips_total,
   value_total, last_price, last_chips, last_seq)
SELECT $2, f.pool, f.first_period + c.nth - 1, c.price, COALESCE(c.chips, 0),
  COALESCE(c.offered, 0), $1, $3, traded.price, traded.price, COALESCE(c.chips, 0),
  c.price::numeric * COALESCE(c.chips, 0), traded.price, traded.chips, traded.seq
FROM fresh f
CROSS JOIN LATERAL unnest(f.prices, f.chips, f.offered)
  WITH ORDINALITY AS c (price, chips, offered, nth)
LEFT JOIN LATERAL (SELECT c.price, c.chips, $3::bigint AS seq WHERE c.chips > 0) AS traded ON true
ON CONFLICT (market_id, pool, period) DO UPDATE SET
  price = CASE WHEN excluded.round_seq >= p.round_seq THEN excluded.price ELSE p.price END,
  chips = CASE WHEN excluded.round_seq >= p.round_seq THEN excluded.chips ELSE p.chips END,
  offered = CASE WHEN excluded.round_seq >= p.round_seq THEN excluded.offered ELSE p.offered END,
  round_id = CASE WHEN excluded.round_seq >= p.round_seq THEN excluded.round_id
    ELSE p.round_id END,
  round_seq = GREATEST(excluded.round_seq, p.round_seq),
  -- Where one of the two is null, the other counts.
  low = LEAST(p.low, excluded.low),
  high = GREATEST(p.high, excluded.high),
  chips_total = p.chips_total + excluded.chips_total,
  value_total = p.value_total + excluded.value_total,
  last_price = CASE WHEN excluded.last_seq >= COALESCE(p.last_seq, 0) THEN excluded.last_price
    ELSE p.last_price END,
  last_chips = CASE WHEN excluded.last_seq >= COALESCE(p.last_seq, 0) THEN excluded.last_chips
    ELSE p.last_chips END,
  last_seq = GREATEST(excluded.last_seq, p.last_seq);

-- What matching reports of its own solver (.../solver) is an alarm, not a verdict.
-- name: round
SELECT r.*, (SELECT bool_and(f.ok) FROM finding f WHERE f.round_id = r.round_id
  AND f.finding_id LIKE '%/auditor/%') AS verified
FROM round r WHERE r.round_id = $1;

-- name: rounds
SELECT * FROM (
  SELECT r.*, (SELECT bool_and(f.ok) FROM finding f WHERE f.round_id = r.round_id
    AND f.finding_id LIKE '%/auditor/%') AS verified
  FROM round r
  WHERE ($1::text IS NULL OR r.market_id = $1)
    AND ($2::bigint IS NULL OR (r.seq, r.market_id) < ($2, $3::text))
) AS r
WHERE $5::text IS NULL OR filter_holds($5::text::jsonb, jsonb_build_object(
  'round_id', round_id, 'market_id', market_id, 'seq', seq,
  'state', CASE WHEN closed_at IS NOT NULL THEN 'closed' WHEN cleared IS NOT NULL THEN 'cleared'
    ELSE 'sealed' END,
  'status', cleared -> 'status',
  'offers', COALESCE(cleared -> 'offers', sealed -> 'offers', '0'::jsonb),
  'demands', COALESCE(cleared -> 'demands', sealed -> 'demands', '0'::jsonb),
  'demands_filled', cleared -> 'demands_filled', 'allocations', cleared -> 'allocations',
  'chip_hours', cleared -> 'chip_hours', 'gap_ppm', cleared -> 'gap_ppm',
  'welfare', cleared -> 'welfare', 'payment', cleared -> 'payment',
  'market_time', micros(market_time), 'verified', verified))
ORDER BY seq DESC, market_id DESC LIMIT $4;

-- name: round_curves
SELECT kind, pool, first_period, prices, chips, offered
FROM round_curve WHERE round_id = $1 ORDER BY kind DESC, pool;

-- name: prices
-- A price without a trade counts while something is on offer; a zero then is no price at all.
SELECT * FROM (
  SELECT market_id, pool, period, chips, offered, round_id, low, high, chips_total,
    CASE WHEN chips > 0 OR offered > 0 AND price > 0 THEN price END AS price,
    last_price AS last, market_id || ':' || last_seq AS last_round_id,
    div(value_total, NULLIF(chips_total, 0)) AS average
  FROM price
  WHERE market_id = $1
    AND ($2::text IS NULL OR pool = $2)
    AND period >= $3 AND period < $4
    AND ($5::text IS NULL OR (pool, period) > ($5, $6::bigint))
) AS p
WHERE $8::text IS NULL OR filter_holds($8::text::jsonb, jsonb_build_object(
  'pool', pool, 'zone', split_part(pool, '/', 1), 'chip', split_part(pool, '/', 2),
  'period', period * 3600000000, 'price', price, 'last', last, 'low', low, 'high', high,
  'average', average, 'chips', chips, 'offered', offered, 'chips_total', chips_total,
  'round_id', round_id))
ORDER BY pool, period LIMIT $7;

-- name: put_allocation
INSERT INTO allocation AS a
  (allocation_id, round_id, market_id, demand_id, enterprise_id, offer_id, provider_id, pool,
   periods, payment, made_at, event_id, correlation, log_partition, log_offset, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (allocation_id) DO UPDATE SET event_id = excluded.event_id,
  correlation = excluded.correlation, log_partition = excluded.log_partition,
  log_offset = excluded.log_offset, recorded_at = excluded.recorded_at
WHERE a.event_id IS NULL;

-- name: allocations
-- Whole rounds only: a round's allocations show once its last record was seen.
SELECT a.*, (
    SELECT json_agg(json_build_object('period', d.period, 'chips', d.chips) ORDER BY d.period)
    FROM delivered_period d WHERE d.allocation_id = a.allocation_id
  )::text AS delivered, (
    SELECT t.resale_of FROM order_terms t
    WHERE t.order_id = a.offer_id AND t.version = 1 LIMIT 1
  ) AS resale_of, (
    SELECT json_agg(s.allocation_id ORDER BY s.seq)
    FROM order_terms t JOIN allocation s ON s.offer_id = t.order_id
    WHERE t.resale_of = a.allocation_id AND t.version = 1
  )::text AS resold
FROM allocation a
JOIN round r USING (round_id)
WHERE r.closed_at IS NOT NULL
  AND ($1::text IS NULL OR a.enterprise_id = $1 OR a.provider_id = $1)
  AND ($2::text IS NULL OR a.market_id = $2)
  AND ($3::text IS NULL OR a.round_id = $3)
  AND ($4::text IS NULL OR a.demand_id = $4 OR a.offer_id = $4)
  AND ($5::bigint IS NULL OR a.seq < $5)
  AND ($7::text IS NULL OR filter_holds($7::text::jsonb, jsonb_build_object(
    'allocation_id', a.allocation_id, 'market_id', a.market_id, 'round_id', a.round_id,
    'demand_id', a.demand_id, 'offer_id', a.offer_id, 'enterprise_id', a.enterprise_id,
    'provider_id', a.provider_id, 'pool', a.pool, 'zone', split_part(a.pool, '/', 1),
    'chip', split_part(a.pool, '/', 2), 'payment', a.payment,
    'price', jsonb_path_query_array(a.periods, '$[*].price'),
    'chips', jsonb_path_query_array(a.periods, '$[*].chips'),
    'period', (SELECT jsonb_agg(micros((one ->> 'start')::timestamptz))
      FROM jsonb_array_elements(a.periods) AS p (one)),
    'made_at', micros(a.made_at))))
ORDER BY a.seq DESC LIMIT $6;

-- name: held_by_one
-- What an account has of what rounds gave in hours to come, but for urgent rounds. An enterprise
-- offers nothing but what it bought, so what it sold is off it, round by round and never below
-- nothing, as matching counts (`services.core.holdings.held_after`): what another market gave and
-- this one sold on is no debt that later purchases pay off. Over the sums of the rounds up to each,
-- that is the last less the lowest below nothing. No horizon is as long as 15 days.
SELECT x.participant_id, x.pool, x.start,
  (sum(x.chips) - least(0, min(x.total)))::bigint AS chips
FROM (
  SELECT $2::text AS participant_id, a.pool, p.start, sum(p.sign * p.chips) AS chips,
    sum(sum(p.sign * p.chips)) OVER (PARTITION BY a.pool, p.start ORDER BY r.seq) AS total
  FROM allocation a
  JOIN round r ON r.round_id = a.round_id
  CROSS JOIN LATERAL (
    SELECT (one ->> 'start')::timestamptz AS start, (one ->> 'chips')::bigint AS chips,
      CASE WHEN a.enterprise_id = $2 THEN 1 ELSE 0 END
        - CASE WHEN a.provider_id = $2 THEN 1 ELSE 0 END AS sign
    FROM jsonb_array_elements(a.periods) AS e (one)
  ) AS p
  WHERE a.market_id = $1 AND (a.enterprise_id = $2 OR a.provider_id = $2)
    AND r.closed_at IS NOT NULL AND r.market_time > $3::timestamptz - interval '15 days'
    AND p.start > $3
    AND NOT EXISTS (SELECT FROM mobilisation_round m WHERE m.round_id = a.round_id)
  GROUP BY a.pool, p.start, r.seq
) AS x
GROUP BY 1, 2, 3
HAVING sum(x.chips) > least(0, min(x.total))
ORDER BY 1, 2, 3;

-- name: held_by_all
-- The same of all accounts of a market.
SELECT x.participant_id, x.pool, x.start,
  (sum(x.chips) - least(0, min(x.total)))::bigint AS chips
FROM (
  SELECT side.participant_id, a.pool, p.start, sum(side.sign * p.chips) AS chips,
    sum(sum(side.sign * p.chips)) OVER (
      PARTITION BY side.participant_id, a.pool, p.start ORDER BY r.seq
    ) AS total
  FROM round r
  JOIN allocation a ON a.round_id = r.round_id
  CROSS JOIN LATERAL (
    SELECT (one ->> 'start')::timestamptz AS start, (one ->> 'chips')::bigint AS chips
    FROM jsonb_array_elements(a.periods) AS e (one)
  ) AS p
  CROSS JOIN LATERAL (VALUES (a.enterprise_id, 1), (a.provider_id, -1))
    AS side (participant_id, sign)
  WHERE r.market_id = $1 AND r.closed_at IS NOT NULL
    AND r.market_time > $2::timestamptz - interval '15 days'
    AND p.start > $2
    AND NOT EXISTS (SELECT FROM mobilisation_round m WHERE m.round_id = r.round_id)
  GROUP BY side.participant_id, a.pool, p.start, r.seq
) AS x
GROUP BY 1, 2, 3
HAVING sum(x.chips) > least(0, min(x.total))
ORDER BY 1, 2, 3;

-- name: allocation
SELECT a.*, (
    SELECT json_agg(json_build_object('period', d.period, 'chips', d.chips) ORDER BY d.period)
    FROM delivered_period d WHERE d.allocation_id = a.allocation_id
  )::text AS delivered, (
    SELECT t.resale_of FROM order_terms t
    WHERE t.order_id = a.offer_id AND t.version = 1 LIMIT 1
  ) AS resale_of, (
    SELECT json_agg(s.allocation_id ORDER BY s.seq)
    FROM order_terms t JOIN allocation s ON s.offer_id = t.order_id
    WHERE t.resale_of = a.allocation_id AND t.version = 1
  )::text AS resold
FROM allocation a
JOIN round r USING (round_id)
WHERE r.closed_at IS NOT NULL AND a.allocation_id = $1;

-- name: put_delivered
INSERT INTO delivered_period (allocation_id, period, chips, delivery_id)
VALUES ($1, $2, $3, $4)
ON CONFLICT (allocation_id, period) DO NOTHING;

-- name: is_reported
SELECT EXISTS (
  SELECT FROM delivered_period WHERE allocation_id = $1 AND delivery_id = $2
);

-- name: put_finding
INSERT INTO finding
  (finding_id, market_id, round_id, kind, ok, summary, problems, raised_at)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8)
ON CONFLICT (finding_id) DO NOTHING;

-- name: findings
SELECT * FROM finding
WHERE ($1::text IS NULL OR market_id = $1)
  AND ($2::text IS NULL OR round_id = $2)
  AND ($3::bigint IS NULL OR seq < $3)
  AND ($5::text IS NULL OR filter_holds($5::text::jsonb, jsonb_build_object(
    'finding_id', finding_id, 'market_id', market_id, 'round_id', round_id, 'kind', kind,
    'ok', ok, 'raised_at', micros(raised_at))))
ORDER BY seq DESC LIMIT $4;
