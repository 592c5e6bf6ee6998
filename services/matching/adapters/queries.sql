-- name: claim_owner
INSERT INTO owner (market_id) VALUES ($1) ON CONFLICT (one) DO NOTHING

-- name: owner
SELECT market_id FROM owner

-- name: markets
SELECT market_id, body::text AS body FROM market

-- name: put_market
INSERT INTO market (market_id, body, defined_at) VALUES ($1, $2::jsonb, $3)
ON CONFLICT (market_id) DO UPDATE SET body = excluded.body, defined_at = excluded.defined_at

-- name: working_orders
SELECT body::text AS body FROM orders
WHERE state IN ('accepted', 'open', 'part-filled') OR hold_news

-- name: orders_by_id
SELECT body::text AS body FROM orders WHERE order_id = ANY ($1)

-- name: won_groups
SELECT exclusive_group, order_id FROM orders WHERE exclusive_group IS NOT NULL AND traded

-- name: put_orders
INSERT INTO orders (
  order_id, side, participant_id, state, version, sequence, exclusive_group, traded,
  hold_micro_yuan, hold_due_micro_yuan, hold_news, body, updated_at
)
SELECT given.*, $13::timestamptz
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::text[],
  $8::boolean[], $9::bigint[], $10::bigint[], $11::boolean[], $12::jsonb[]
) AS given
ON CONFLICT (order_id) DO UPDATE SET
  state = excluded.state,
  version = excluded.version,
  sequence = excluded.sequence,
  exclusive_group = excluded.exclusive_group,
  traded = excluded.traded,
  hold_micro_yuan = excluded.hold_micro_yuan,
  hold_due_micro_yuan = excluded.hold_due_micro_yuan,
  hold_news = excluded.hold_news,
  body = excluded.body,
  updated_at = excluded.updated_at

-- name: put_intake
INSERT INTO intake (topic, partition, record_offset, verdict, reason, order_id, decided_at)
SELECT given.*, $7::timestamptz
FROM unnest(
  $1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::text[]
) AS given

-- name: suspended
SELECT participant_id, reason FROM suspended

-- name: put_suspension
INSERT INTO suspended (participant_id, reason) VALUES ($1, $2)
ON CONFLICT (participant_id) DO UPDATE SET reason = excluded.reason

-- name: lift_suspension
DELETE FROM suspended WHERE participant_id = $1

-- name: mobilisations
SELECT withdrawn, body::text AS body FROM mobilisation

-- name: put_mobilisation
INSERT INTO mobilisation (mobilisation_id, withdrawn, body) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (mobilisation_id, withdrawn) DO NOTHING

-- name: early_holds
SELECT order_id, cause, version, record_offset, placed, amount_micro_yuan, free_micro_yuan,
  booked_through, first_period, reason::text AS reason
FROM early_hold

-- name: put_early_hold
INSERT INTO early_hold (
  order_id, cause, version, record_offset, placed, amount_micro_yuan, free_micro_yuan,
  booked_through, first_period, reason
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb)
ON CONFLICT (order_id, cause) DO UPDATE SET
  version = excluded.version,
  record_offset = excluded.record_offset,
  placed = excluded.placed,
  amount_micro_yuan = excluded.amount_micro_yuan,
  free_micro_yuan = excluded.free_micro_yuan,
  booked_through = excluded.booked_through,
  first_period = excluded.first_period,
  reason = excluded.reason

-- name: drop_early_hold
DELETE FROM early_hold WHERE order_id = $1 AND cause = $2

-- name: last_round
SELECT seq, round_id, state, market_time, manifest::text AS manifest, through::text AS through,
  market::text AS market, book, rules, book_digest, rules_digest, mobilisation,
  paused::text AS paused, result
FROM round ORDER BY seq DESC LIMIT 1

-- name: seal_round
INSERT INTO round (
  seq, round_id, state, epoch, market_time, manifest, through, market, book, rules,
  book_digest, rules_digest, sealed_at, mobilisation
)
VALUES ($1, $2, 'SEALED', $3, $4, $5::jsonb, $6::jsonb, $7::jsonb, $8, $9, $10, $11, $12, $13)

-- name: publish_round
UPDATE round SET state = 'PUBLISHED', status = $2, cause = $3, result = $4, result_digest = $5,
  solve_ms = $6, published_at = $7, paused = $8::jsonb
WHERE seq = $1 AND state = 'SEALED'

-- name: recent_results
SELECT seq, market_time, market::text AS market, result FROM round
WHERE state = 'PUBLISHED' AND mobilisation = ''
ORDER BY seq DESC LIMIT $1

-- name: cycle
SELECT book, result FROM round
WHERE seq <= $1 AND state = 'PUBLISHED' AND seq > (
  SELECT COALESCE(max(seq), 0) FROM round WHERE seq < $1 AND mobilisation = ''
)
ORDER BY seq

-- name: links_sent
SELECT link, period, gb FROM link_sent

-- name: drop_links_sent
DELETE FROM link_sent

-- name: put_links_sent
INSERT INTO link_sent (link, period, gb)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])

-- name: held
SELECT participant_id, pool, first_period, chips FROM held

-- name: drop_held
DELETE FROM held WHERE (participant_id, pool) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- name: put_held
INSERT INTO held (participant_id, pool, first_period, chips)
SELECT participant_id, pool, first_period, chips::bigint[]
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
  AS given (participant_id, pool, first_period, chips)
ON CONFLICT (participant_id, pool) DO UPDATE SET
  first_period = excluded.first_period, chips = excluded.chips

-- name: policies
SELECT body::text AS body FROM policy ORDER BY policy_id, version

-- name: put_policy
INSERT INTO policy (policy_id, version, body) VALUES ($1, $2, $3::jsonb)
