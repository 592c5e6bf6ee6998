-- name: put_intents
-- In one statement, since this is on the path of every order: keeps the replies, shows the orders
-- (filling what only a submission knows; a status that came first keeps its columns), their terms
-- and their histories. All of it can be read from the log again, and a lost claim only sends the
-- same event twice, so the commit need not wait for the disk.
WITH replied AS (
  UPDATE idempotency i SET reply = d.reply::jsonb
  FROM unnest($2::text[], $3::text[]) AS d (key, reply)
  WHERE i.participant_id = $1 AND i.key = d.key AND i.reply IS NULL
),
submitted AS (
  INSERT INTO orders AS o
    (order_id, side, market_id, participant_id, submitted_at, log_partition, log_offset,
     updated_at)
  SELECT order_id, side, market_id, participant_id, occurred_at, part, log_offset, occurred_at
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::int[],
    $10::bigint[])
    AS s (order_id, side, market_id, participant_id, occurred_at, part, log_offset)
  ORDER BY log_offset
  ON CONFLICT (order_id) DO UPDATE SET
    submitted_at = excluded.submitted_at,
    log_partition = excluded.log_partition,
    log_offset = excluded.log_offset
  WHERE o.submitted_at IS NULL OR o.log_offset > excluded.log_offset
),
told AS (
  INSERT INTO order_terms (event_id, order_id, version, terms, recorded_at, log_offset)
  SELECT event_id, order_id, version, terms::jsonb, recorded_at, log_offset
  FROM unnest($11::text[], $12::text[], $13::int[], $14::text[], $15::timestamptz[],
    $16::bigint[])
    AS t (event_id, order_id, version, terms, recorded_at, log_offset)
  ON CONFLICT (event_id) DO NOTHING
),
happened AS (
  INSERT INTO order_event (event_id, order_id, kind, version, occurred_at, recorded_at)
  SELECT event_id, order_id, kind, version, occurred_at, recorded_at
  FROM unnest($17::text[], $18::text[], $19::text[], $20::int[], $21::timestamptz[],
    $22::timestamptz[])
    AS e (event_id, order_id, kind, version, occurred_at, recorded_at)
  ON CONFLICT (event_id) DO NOTHING
)
SELECT set_config('synchronous_commit', 'off', true);

-- name: put_cancellations
UPDATE orders o SET cancel_requested_at = c.occurred_at
FROM unnest($1::text[], $2::timestamptz[]) AS c (order_id, occurred_at)
WHERE o.order_id = c.order_id AND o.cancel_requested_at IS NULL;

-- name: put_events
INSERT INTO order_event
  (event_id, order_id, kind, version, state, reason, round_id, amount, cause, occurred_at,
   recorded_at)
SELECT event_id, order_id, kind, version, state, reason::jsonb, round_id, amount, cause,
  occurred_at, recorded_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
  $8::bigint[], $9::text[], $10::timestamptz[], $11::timestamptz[])
  AS e (event_id, order_id, kind, version, state, reason, round_id, amount, cause, occurred_at,
    recorded_at)
ON CONFLICT (event_id) DO NOTHING;

-- name: put_status
INSERT INTO orders AS o
  (order_id, side, market_id, participant_id, state, version, version_cause, reason,
   status_sequence, round_id, chip_hours_allocated, chip_hours_left, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $12, $13)
ON CONFLICT (order_id) DO UPDATE SET
  state = excluded.state,
  version = excluded.version,
  version_cause = CASE WHEN o.version = excluded.version THEN o.version_cause
    ELSE excluded.version_cause END,
  reason = excluded.reason,
  status_sequence = excluded.status_sequence,
  round_id = COALESCE(excluded.round_id, o.round_id),
  chip_hours_allocated = excluded.chip_hours_allocated,
  chip_hours_left = excluded.chip_hours_left,
  updated_at = excluded.updated_at
WHERE o.status_sequence < excluded.status_sequence;

-- name: put_hold
INSERT INTO orders AS o
  (order_id, side, market_id, participant_id, hold_state, hold_version, hold_amount,
   hold_needed, hold_free, hold_offset, updated_at)
VALUES ($1, 'demand', $2, $3, $4, COALESCE($5, 1), $6, $7, $8, $9, $10)
ON CONFLICT (order_id) DO UPDATE SET
  hold_state = excluded.hold_state,
  hold_version = COALESCE($5, o.hold_version),
  -- A refused amendment leaves the hold of the version before it in place.
  hold_amount = COALESCE(excluded.hold_amount, o.hold_amount),
  hold_needed = excluded.hold_needed,
  hold_free = excluded.hold_free,
  hold_offset = excluded.hold_offset
WHERE o.hold_offset < excluded.hold_offset;

-- name: order
SELECT o.*, t.terms, a.terms AS amendment_terms, a.version AS amendment_version
FROM orders o
JOIN LATERAL (
  SELECT terms FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version = o.version
  ORDER BY (t.event_id = o.version_cause) DESC, t.log_offset DESC LIMIT 1
) t ON true
LEFT JOIN LATERAL (
  SELECT t.terms, t.version FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version > o.version
    AND NOT EXISTS (SELECT 1 FROM order_event e
      WHERE e.order_id = o.order_id AND e.kind = 'status' AND e.cause = t.event_id)
    AND NOT (o.hold_state IS NOT DISTINCT FROM 'refused' AND o.hold_version = t.version)
  ORDER BY t.version DESC, t.log_offset DESC LIMIT 1
) a ON true
WHERE o.order_id = $1 AND o.submitted_at IS NOT NULL;

-- name: orders
SELECT o.*, t.terms, a.terms AS amendment_terms, a.version AS amendment_version
FROM orders o
JOIN LATERAL (
  SELECT terms FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version = o.version
  ORDER BY (t.event_id = o.version_cause) DESC, t.log_offset DESC LIMIT 1
) t ON true
LEFT JOIN LATERAL (
  SELECT t.terms, t.version FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version > o.version
    AND NOT EXISTS (SELECT 1 FROM order_event e
      WHERE e.order_id = o.order_id AND e.kind = 'status' AND e.cause = t.event_id)
    AND NOT (o.hold_state IS NOT DISTINCT FROM 'refused' AND o.hold_version = t.version)
  ORDER BY t.version DESC, t.log_offset DESC LIMIT 1
) a ON true
WHERE o.side = $1
  AND o.submitted_at IS NOT NULL
  AND ($2::text IS NULL OR o.participant_id = $2)
  AND ($3::text IS NULL OR o.market_id = $3)
  AND ($4::text[] IS NULL OR o.state = ANY ($4))
  AND ($5::bigint IS NULL OR o.seq < $5)
ORDER BY o.seq DESC LIMIT $6;

-- name: order_owner
SELECT participant_id, side FROM orders WHERE order_id = $1 AND submitted_at IS NOT NULL;

-- name: order_history
SELECT event_id, kind, version, state, reason, round_id, amount, occurred_at, recorded_at, seq
FROM order_event
WHERE order_id = $1 AND ($2::bigint IS NULL OR seq > $2)
ORDER BY seq LIMIT $3;

-- name: open_orders
SELECT t.event_id, o.state
FROM orders o
JOIN LATERAL (
  SELECT event_id FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version = o.version
  ORDER BY (t.event_id = o.version_cause) DESC, t.log_offset DESC LIMIT 1
) t ON true
WHERE o.market_id = $1 AND o.state IN ('accepted', 'open', 'part-filled')
  AND o.submitted_at IS NOT NULL
LIMIT 200000;

-- name: terms
SELECT t.event_id, o.side, t.terms
FROM order_terms t JOIN orders o USING (order_id)
WHERE t.event_id = ANY ($1::text[]);
