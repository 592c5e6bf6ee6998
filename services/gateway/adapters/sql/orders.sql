-- name: put_intents
-- In one statement, since this is on the path of every order: keeps the replies (of many callers),
-- shows the orders (filling what only a submission knows; a status that came first keeps its
-- columns), their terms and their histories. All of it can be read from the log again, and a lost
-- claim only sends the same event twice, so the commit need not wait for the disk.
WITH replied AS (
  UPDATE idempotency i SET reply = d.reply::jsonb
  FROM unnest($1::text[], $2::text[], $3::text[]) AS d (participant_id, key, reply)
  WHERE i.participant_id = d.participant_id AND i.key = d.key AND i.reply IS NULL
),
asked AS (
  SELECT event_id, order_id, kind, version, cause, occurred_at, recorded_at, correlation, log_topic,
    part, log_offset, side, market_id, participant_id, body::jsonb -> 'terms' AS terms
  FROM unnest($4::text[], $5::text[], $6::text[], $7::int[], $8::text[], $9::timestamptz[],
    $10::timestamptz[], $11::text[], $12::text[], $13::int[], $14::bigint[], $15::text[],
    $16::text[], $17::text[], $18::text[])
    AS a (event_id, order_id, kind, version, cause, occurred_at, recorded_at, correlation,
      log_topic, part, log_offset, side, market_id, participant_id, body)
),
submitted AS (
  INSERT INTO orders AS o
    (order_id, side, market_id, participant_id, submitted_at, log_partition, log_offset,
     updated_at)
  SELECT order_id, side, market_id, participant_id, occurred_at, part, log_offset, occurred_at
  FROM asked WHERE kind = 'submitted'
  ORDER BY log_offset
  ON CONFLICT (order_id) DO UPDATE SET
    submitted_at = excluded.submitted_at,
    log_partition = excluded.log_partition,
    log_offset = excluded.log_offset
  WHERE o.submitted_at IS NULL OR o.log_offset > excluded.log_offset
),
told AS (
  INSERT INTO order_terms (event_id, order_id, version, terms, recorded_at, log_offset, resale_of)
  SELECT event_id, order_id, version, terms, recorded_at, log_offset, terms ->> 'resale_of'
  FROM asked WHERE terms IS NOT NULL
  ON CONFLICT (event_id) DO NOTHING
),
happened AS (
  INSERT INTO order_event AS k
    (event_id, order_id, kind, version, cause, occurred_at, recorded_at, correlation, log_topic,
     log_partition, log_offset)
  SELECT event_id, order_id, kind, version, cause, occurred_at, recorded_at, correlation,
    log_topic, part, log_offset
  FROM asked
  ON CONFLICT (event_id) DO UPDATE SET correlation = excluded.correlation,
    log_topic = excluded.log_topic, log_partition = excluded.log_partition,
    log_offset = excluded.log_offset
  WHERE k.log_offset IS NULL
)
SELECT set_config('synchronous_commit', 'off', true);

-- name: shown
-- Where in the log those of these events are whose rows are there. Row by row, or the table is read
-- whole for a long list.
SELECT e.log_topic, e.log_partition, e.log_offset
FROM unnest($1::text[]) AS a (event_id)
CROSS JOIN LATERAL (
  SELECT k.log_topic, k.log_partition, k.log_offset FROM order_event k
  WHERE k.event_id = a.event_id LIMIT 1
) e
WHERE e.log_offset IS NOT NULL;

-- name: put_cancellations
-- One that was refused before it was read here is not asked for any more.
UPDATE orders o SET cancel_requested_at = c.occurred_at
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS c (order_id, occurred_at, event_id)
WHERE o.order_id = c.order_id AND o.cancel_requested_at IS NULL
  AND NOT EXISTS (SELECT FROM order_event e
    WHERE e.order_id = c.order_id AND e.cause = c.event_id AND e.kind = 'status');

-- name: put_events
INSERT INTO order_event AS k
  (event_id, order_id, kind, version, state, reason, round_id, amount, held, chip_hours_allocated,
   chip_hours_left, cause, occurred_at, recorded_at, correlation, log_topic, log_partition,
   log_offset)
SELECT event_id, order_id, kind, version, state, reason::jsonb, round_id, amount, held, allocated,
  chip_hours_left, cause, occurred_at, recorded_at, correlation, log_topic, log_partition,
  log_offset
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::timestamptz[],
  $14::timestamptz[], $15::text[], $16::text[], $17::int[], $18::bigint[])
  AS e (event_id, order_id, kind, version, state, reason, round_id, amount, held, allocated,
    chip_hours_left, cause, occurred_at, recorded_at, correlation, log_topic, log_partition,
    log_offset)
ON CONFLICT (event_id) DO UPDATE SET correlation = excluded.correlation,
  log_topic = excluded.log_topic, log_partition = excluded.log_partition,
  log_offset = excluded.log_offset, held = excluded.held,
  chip_hours_allocated = excluded.chip_hours_allocated,
  chip_hours_left = excluded.chip_hours_left
WHERE k.log_offset IS NULL;

-- name: put_statuses
-- Each order at most once.
INSERT INTO orders AS o
  (order_id, side, market_id, participant_id, state, version, version_cause, reason,
   status_sequence, round_id, chip_hours_allocated, chip_hours_left, updated_at)
SELECT order_id, side, market_id, participant_id, state, version, cause, reason::jsonb, sequence,
  round_id, allocated, chip_hours_left, occurred_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[],
  $8::text[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::timestamptz[])
  AS s (order_id, side, market_id, participant_id, state, version, cause, reason, sequence,
    round_id, allocated, chip_hours_left, occurred_at)
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
  cancel_requested_at = CASE WHEN excluded.reason ->> 'code' = 'frozen_cancel' THEN NULL
    ELSE o.cancel_requested_at END,
  updated_at = excluded.updated_at
WHERE o.status_sequence < excluded.status_sequence;

-- name: put_holds
-- Each order at most once. Either all rows have a version or none has: what is captured or released
-- leaves it as it was.
INSERT INTO orders AS o
  (order_id, side, market_id, participant_id, hold_state, hold_version, hold_amount,
   hold_needed, hold_free, hold_offset, updated_at)
SELECT order_id, 'demand', market_id, participant_id, state, COALESCE(version, 1), amount, needed,
  free, log_offset, occurred_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[])
  AS h (order_id, market_id, participant_id, state, version, amount, needed, free, log_offset,
    occurred_at)
ON CONFLICT (order_id) DO UPDATE SET
  hold_state = excluded.hold_state,
  hold_version = CASE WHEN $11 THEN excluded.hold_version ELSE o.hold_version END,
  -- A refused amendment leaves the hold of the version before it in place.
  hold_amount = COALESCE(excluded.hold_amount, o.hold_amount),
  hold_needed = excluded.hold_needed,
  hold_free = excluded.hold_free,
  hold_offset = excluded.hold_offset
WHERE o.hold_offset < excluded.hold_offset;

-- name: order
SELECT * FROM order_shown WHERE order_id = $1;

-- name: orders
SELECT * FROM order_shown
WHERE side = $1
  AND ($2::text IS NULL OR participant_id = $2)
  AND ($3::text IS NULL OR market_id = $3)
  AND ($4::text[] IS NULL OR state = ANY ($4))
  AND ($5::bigint IS NULL OR seq < $5)
  AND ($7::text IS NULL OR filter_holds($7::text::jsonb, jsonb_build_object(
    'order_id', order_id, 'market_id', market_id, 'participant_id', participant_id,
    'state', state, 'version', version, 'round_id', round_id,
    'submitted_at', micros(submitted_at), 'updated_at', micros(updated_at),
    'chip_hours_allocated', chip_hours_allocated, 'chip_hours_left', chip_hours_left,
    'shape', terms #> '{shape,type}', 'chips', terms -> 'chips',
    'zone', CASE WHEN side = 'offer' THEN terms -> 'zone'
      ELSE jsonb_path_query_array(terms, '$.alternatives[*].zones[*]') END,
    'region', jsonb_path_query_array(terms, '$.alternatives[*].regions[*]'),
    'chip', CASE WHEN side = 'offer' THEN terms -> 'chip'
      ELSE jsonb_path_query_array(terms, '$.alternatives[*].chips_any_of[*]') END,
    'price', CASE WHEN side = 'offer' THEN terms -> 'ask'
      ELSE jsonb_path_query_array(terms, '$.alternatives[*].limit') END,
    'start', micros(COALESCE(terms ->> 'start', terms ->> 'earliest')::timestamptz),
    'end', micros(COALESCE(terms ->> 'end', terms ->> 'deadline')::timestamptz),
    'block', COALESCE(terms -> 'block', 'false'::jsonb),
    'mobilisable', COALESCE(terms -> 'mobilisable', 'false'::jsonb),
    'priority', COALESCE(terms -> 'priority', '"standard"'::jsonb),
    'budget', terms -> 'budget')))
ORDER BY seq DESC LIMIT $6;

-- name: order_history
SELECT event_id, kind, version, state, reason, round_id, amount, occurred_at, recorded_at, seq
FROM order_event
WHERE order_id = $1 AND ($2::bigint IS NULL OR seq > $2)
  AND ($4::text IS NULL OR filter_holds($4::text::jsonb, jsonb_build_object(
    'event_id', event_id, 'kind', kind, 'round_id', round_id, 'state', state,
    'version', version, 'amount', amount, 'occurred_at', micros(occurred_at),
    'recorded_at', micros(recorded_at))))
ORDER BY seq LIMIT $3;

-- name: open_orders
SELECT terms_id, state FROM order_shown
WHERE market_id = $1 AND state IN ('accepted', 'open', 'part-filled')
LIMIT 200000;

-- name: versions
SELECT t.version, o.side, t.terms, t.recorded_at
FROM order_terms t JOIN orders o USING (order_id)
WHERE t.order_id = $1 ORDER BY t.version, t.log_offset LIMIT 1000;

-- name: terms
SELECT t.event_id, o.side, t.terms
FROM order_terms t JOIN orders o USING (order_id)
WHERE t.event_id = ANY ($1::text[]);
