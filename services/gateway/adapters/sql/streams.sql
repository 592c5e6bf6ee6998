-- What streams tell.

-- name: stream_sources
SELECT topic, partition, next_offset FROM stream_source;

-- name: round_rules
SELECT market_id, body ->> 'rules' AS rules FROM market WHERE market_id = ANY ($1::text[]);

-- name: put_stream_source
INSERT INTO stream_source AS s (topic, partition, next_offset) VALUES ($1, $2, $3)
ON CONFLICT (topic, partition) DO UPDATE
SET next_offset = GREATEST(s.next_offset, excluded.next_offset);

-- name: put_stream_events
WITH head AS (
  UPDATE stream_head SET next_seq = next_seq + cardinality($1::text[])
  RETURNING next_seq - cardinality($1::text[]) AS first
)
INSERT INTO stream_event
  (seq, source, stream, kind, market_id, participant_id, subject, body)
SELECT head.first + e.n - 1, e.source, e.stream, e.kind, e.market_id, e.participant_id, e.subject,
  e.body::jsonb
FROM head, unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
  $7::text[]) WITH ORDINALITY
  AS e (source, stream, kind, market_id, participant_id, subject, body, n)
ON CONFLICT (source) DO NOTHING;

-- name: put_stream_fills
-- Of a round that is whole now: each allocation is told to both of its sides.
WITH fill AS (
  SELECT a.*, o.*, row_number() OVER (ORDER BY a.seq, o.side) AS n, (
      SELECT sum((p ->> 'chips')::bigint) FROM jsonb_array_elements(a.periods) AS p
    )::bigint AS chip_hours
  FROM allocation AS a, LATERAL (VALUES
    ('demand', a.demand_id, a.enterprise_id, a.offer_id),
    ('offer', a.offer_id, a.provider_id, a.demand_id)
  ) AS o (side, order_id, participant_id, counter_order_id)
  WHERE a.round_id = $1
),
head AS (
  UPDATE stream_head SET next_seq = next_seq + (SELECT count(*) FROM fill)
  RETURNING next_seq - (SELECT count(*) FROM fill) AS first
)
INSERT INTO stream_event
  (seq, source, stream, kind, market_id, participant_id, subject, body)
SELECT head.first + n - 1, allocation_id || '/' || side, 'orders', 'fill', market_id,
  participant_id, order_id, jsonb_build_object('order_id', order_id, 'market_id', market_id,
    'participant_id', participant_id, 'side', side, 'allocation_id', allocation_id,
    'counter_order_id', counter_order_id, 'round_id', round_id, 'pool', pool,
    'chip_hours', chip_hours, 'payment', payment,
    'occurred_at', to_char(made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
FROM head, fill
ON CONFLICT (source) DO NOTHING;

-- name: stream_state
SELECT feed, next_seq, kept_from FROM stream_head;

-- name: stream_after
-- For all who listen to this process.
SELECT seq, stream, kind, market_id, participant_id, subject, body::text AS body
FROM stream_event WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: stream_page_all
SELECT seq, stream, kind, market_id, participant_id, subject, body::text AS body
FROM stream_event
WHERE stream = $1 AND seq > $2
  AND ($3::text IS NULL OR market_id = $3) AND ($4::text IS NULL OR subject = $4)
ORDER BY seq LIMIT $5;

-- name: stream_page_own
SELECT seq, stream, kind, market_id, participant_id, subject, body::text AS body
FROM stream_event
WHERE stream = $1 AND seq > $2 AND participant_id = $6
  AND ($3::text IS NULL OR market_id = $3) AND ($4::text IS NULL OR subject = $4)
ORDER BY seq LIMIT $5;

-- name: prune_stream
-- The oldest ones first and not too many at once; nobody waits for it.
WITH old AS (SELECT seq, told_at FROM stream_event ORDER BY seq LIMIT 20000),
gone AS (
  DELETE FROM stream_event AS e USING old
  WHERE e.seq = old.seq AND old.told_at < now() - $1 * interval '1 day'
  RETURNING e.seq
)
UPDATE stream_head SET kept_from = GREATEST(kept_from, (SELECT max(seq) + 1 FROM gone))
WHERE EXISTS (SELECT FROM gone);
