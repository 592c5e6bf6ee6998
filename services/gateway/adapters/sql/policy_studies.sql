-- name: next_policy_cost
-- The latest round under policies that have a cost, whose cost is not known, among the latest $2.
WITH ruled AS MATERIALIZED (
  SELECT p.market_id, (SELECT max(seq) FROM round l WHERE l.market_id = p.market_id) AS last
  FROM (
    SELECT DISTINCT market_id FROM market_policy
    WHERE body #>> '{rule,kind}' <> ALL($1::text[])
  ) AS p
)
SELECT found.round_id, found.seq, found.market_time
FROM ruled AS m
CROSS JOIN LATERAL (
  SELECT r.round_id, r.seq, r.market_time FROM round r
  WHERE r.market_id = m.market_id AND r.seq > m.last - $2::bigint AND r.file_state = 'ok'
    AND NOT EXISTS (
      SELECT FROM policy_cost c
      WHERE c.round_id = r.round_id AND (c.body IS NOT NULL OR c.tries >= $3::integer)
    )
    AND EXISTS (
      SELECT FROM market_policy p
      WHERE p.market_id = r.market_id AND p.body #>> '{rule,kind}' <> ALL($1::text[])
        AND (p.body ->> 'in_force_from_round')::bigint <= r.seq
        AND NOT EXISTS (
          SELECT FROM market_policy n
          WHERE n.market_id = p.market_id AND n.policy_id = p.policy_id AND n.version > p.version
            AND (n.body ->> 'in_force_from_round')::bigint <= r.seq
        )
    )
  ORDER BY r.seq DESC LIMIT 1
) AS found
ORDER BY found.market_time DESC, found.round_id LIMIT 1;

-- name: put_policy_cost
INSERT INTO policy_cost (round_id, body) VALUES ($1, $2::text::jsonb)
ON CONFLICT (round_id) DO UPDATE SET body = excluded.body;

-- name: fail_policy_cost
INSERT INTO policy_cost AS c (round_id, tries, cause) VALUES ($1, 1, $2)
ON CONFLICT (round_id) DO UPDATE SET tries = c.tries + 1, cause = excluded.cause;

-- name: policy_costs
-- Rounds under policies that have a cost, latest first; one of them, whole or not, if it is named.
-- That a policy was in a round is told by the policy, or by the round's file before that is known.
SELECT r.round_id, r.market_id, r.seq, r.market_time, c.body,
  CASE
    WHEN c.body IS NOT NULL THEN 'ready'
    WHEN c.tries >= $6::integer THEN 'failed'
    WHEN r.seq <= (SELECT max(seq) FROM round l WHERE l.market_id = r.market_id) - $5::bigint
      THEN 'passed_over'
    ELSE 'pending'
  END AS state
FROM round r LEFT JOIN policy_cost c USING (round_id)
WHERE (r.closed_at IS NOT NULL OR $8::text IS NOT NULL)
  AND ($1::text IS NULL OR r.market_id = $1)
  AND ($2::bigint IS NULL OR (r.seq, r.market_id) < ($2, $3::text))
  AND (c.round_id IS NOT NULL OR r.is_ruled OR EXISTS (
    SELECT FROM market_policy p
    WHERE p.market_id = r.market_id AND p.body #>> '{rule,kind}' <> ALL($7::text[])
      AND (p.body ->> 'in_force_from_round')::bigint <= r.seq
      AND NOT EXISTS (
        SELECT FROM market_policy n
        WHERE n.market_id = p.market_id AND n.policy_id = p.policy_id AND n.version > p.version
          AND (n.body ->> 'in_force_from_round')::bigint <= r.seq
      )
  ))
  AND ($8::text IS NULL OR r.round_id = $8)
ORDER BY r.seq DESC, r.market_id DESC LIMIT $4;

-- name: day_policy_costs
SELECT r.round_id, r.market_time, c.body
FROM round r JOIN policy_cost c USING (round_id)
WHERE r.market_id = $1 AND r.market_time >= $2 AND r.market_time < $3 AND c.body IS NOT NULL
ORDER BY r.seq LIMIT $4;

-- name: rounds_to_simulate
-- Whole files alone; one more than may be taken tells that there are too many.
SELECT array_agg(seq ORDER BY seq) AS found FROM (
  SELECT seq, row_number() OVER (ORDER BY seq) AS nth
  FROM round
  WHERE market_id = $1 AND file_state = 'ok'
    AND ($2::timestamptz IS NULL OR market_time >= $2 AND market_time < $3)
    AND ($4::bigint IS NULL OR seq BETWEEN $4 AND $5)
  ORDER BY seq LIMIT $7::bigint * $6::bigint
) AS r WHERE (nth - 1) % $6::bigint = 0;

-- name: lock_simulations
SELECT pg_advisory_xact_lock(hashtext('policy_simulation'));

-- name: open_simulations
SELECT count(*) AS found FROM policy_simulation
WHERE state IN ('waiting', 'running') AND simulation_id <> $1;

-- name: put_simulation
INSERT INTO policy_simulation (simulation_id, market_id, asked, asked_by, asked_at, rounds)
VALUES ($1, $2, $3::text::jsonb, $4, $5, $6::bigint[])
ON CONFLICT (simulation_id) DO NOTHING;

-- name: simulations
SELECT s.*, cardinality(s.rounds) AS wanted, t.*
FROM (
  SELECT * FROM policy_simulation
  WHERE ($1::text IS NULL OR simulation_id = $1)
    AND ($2::text IS NULL OR market_id = $2)
    AND ($3::bigint IS NULL OR number < $3)
  ORDER BY number DESC LIMIT $4
) AS s
CROSS JOIN LATERAL (
  SELECT count(*) AS done,
    count(*) FILTER (WHERE d.body ->> 'state' = 'not_run') AS rounds_not_run,
    coalesce(sum((d.body #>> '{cost,cost}')::numeric), 0) AS cost,
    coalesce(sum((d.body #>> '{cost,cost_least}')::numeric), 0) AS cost_least,
    coalesce(sum((d.body #>> '{cost,cost_most}')::numeric), 0) AS cost_most,
    coalesce(sum((d.body #>> '{cost,with_it,welfare}')::numeric), 0) AS welfare_with,
    coalesce(sum((d.body #>> '{cost,without_it,welfare}')::numeric), 0) AS welfare_without,
    coalesce(sum((d.body #>> '{cost,with_it,buyers}')::numeric), 0) AS buyers_with,
    coalesce(sum((d.body #>> '{cost,without_it,buyers}')::numeric), 0) AS buyers_without,
    coalesce(sum((d.body #>> '{cost,with_it,sellers}')::numeric), 0) AS sellers_with,
    coalesce(sum((d.body #>> '{cost,without_it,sellers}')::numeric), 0) AS sellers_without,
    coalesce(sum((d.body #>> '{cost,with_it,chip_hours}')::numeric), 0) AS chip_hours_with,
    coalesce(sum((d.body #>> '{cost,without_it,chip_hours}')::numeric), 0) AS chip_hours_without
  FROM policy_simulation_round d WHERE d.simulation_id = s.simulation_id
) AS t
ORDER BY s.number DESC;

-- name: simulation_rounds
SELECT body FROM policy_simulation_round
WHERE simulation_id = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- name: restart_breakers
-- A circuit breaker looks back on rounds, which nobody remembers after a restart.
DELETE FROM policy_simulation_round d USING policy_simulation s
WHERE d.simulation_id = s.simulation_id AND s.state = 'running'
  AND s.asked #>> '{rule,kind}' = 'circuit_breaker';

-- name: next_simulated_round
SELECT s.simulation_id, s.market_id, s.asked, n.seq, r.round_id, r.market_time
FROM (
  SELECT * FROM policy_simulation WHERE state IN ('waiting', 'running') ORDER BY number LIMIT 1
) AS s
LEFT JOIN LATERAL (
  SELECT w.seq FROM unnest(s.rounds) AS w (seq)
  WHERE NOT EXISTS (
    SELECT FROM policy_simulation_round d
    WHERE d.simulation_id = s.simulation_id AND d.seq = w.seq
  )
  ORDER BY w.seq LIMIT 1
) AS n ON true
LEFT JOIN round r ON r.market_id = s.market_id AND r.seq = n.seq;

-- name: put_simulated_round
INSERT INTO policy_simulation_round (simulation_id, seq, body) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (simulation_id, seq) DO NOTHING;

-- name: set_simulation_state
UPDATE policy_simulation SET state = $2, cause = $3
WHERE simulation_id = $1 AND state IN ('waiting', 'running');
