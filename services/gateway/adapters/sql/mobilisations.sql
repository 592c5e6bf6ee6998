-- Declared needs and what their urgent rounds gave.

-- name: put_mobilisation_proposed
INSERT INTO mobilisation AS m (mobilisation_id, market_id, terms, proposed_by, proposed_at)
VALUES ($1, $2, $3::text::jsonb, $4, $5)
ON CONFLICT (mobilisation_id) DO UPDATE SET terms = excluded.terms,
  proposed_by = excluded.proposed_by, proposed_at = excluded.proposed_at
WHERE m.proposed_at IS NULL;

-- name: put_mobilisation_declared
INSERT INTO mobilisation AS m (mobilisation_id, market_id, declared_by, declared_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (mobilisation_id) DO UPDATE SET declared_by = excluded.declared_by,
  declared_at = excluded.declared_at
WHERE m.declared_at IS NULL;

-- name: put_mobilisation_ended
INSERT INTO mobilisation AS m (mobilisation_id, market_id, ended_by, ended_reason, ended_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (mobilisation_id) DO UPDATE SET ended_by = excluded.ended_by,
  ended_reason = excluded.ended_reason, ended_at = excluded.ended_at
WHERE m.ended_at IS NULL;

-- name: put_mobilisation_round
INSERT INTO mobilisation_round (
  round_id, mobilisation_id, market_id, market_time, price_cap, demands, demands_served,
  chip_hours, reserve_chip_hours, payment, price_max
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (round_id) DO NOTHING;

-- name: put_mobilisation_displaced
INSERT INTO mobilisation_displaced (
  round_id, market_id, market_time, mobilisations, status, welfare, welfare_without, demands,
  chip_hours, value, displaced
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb)
ON CONFLICT (round_id) DO NOTHING;

-- name: mobilisations
SELECT m.*, COALESCE(r.rounds, 0) AS rounds, COALESCE(r.chip_hours, 0) AS chip_hours,
  COALESCE(r.reserve_chip_hours, 0) AS reserve_chip_hours, COALESCE(r.payment, 0) AS payment
FROM mobilisation AS m
LEFT JOIN LATERAL (
  SELECT count(*) AS rounds, sum(chip_hours)::bigint AS chip_hours,
    sum(reserve_chip_hours)::bigint AS reserve_chip_hours, sum(payment)::bigint AS payment
  FROM mobilisation_round AS one WHERE one.mobilisation_id = m.mobilisation_id
) AS r ON true
WHERE m.proposed_at IS NOT NULL
  AND ($1::text IS NULL OR m.mobilisation_id = $1)
  AND ($2::text IS NULL OR m.market_id = $2)
  AND ($3::bigint IS NULL OR m.seq < $3)
ORDER BY m.seq DESC LIMIT $4;

-- name: mobilisations_declared
SELECT mobilisation_id, market_id, terms::text AS terms, proposed_by, declared_by
FROM mobilisation
WHERE market_id = $1 AND declared_at IS NOT NULL AND proposed_at IS NOT NULL
  AND ended_at IS NULL AND (terms ->> 'end')::timestamptz > $2
ORDER BY mobilisation_id LIMIT 1000;
