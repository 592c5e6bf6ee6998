-- name: policies
-- Every version. In force is, of each policy, the latest version whose round has been sealed.
SELECT * FROM (
  SELECT body, set_at, policy_key, version, market_id, policy_id,
    (body ->> 'in_force_from_round')::bigint AS from_round,
    CASE
      WHEN (body ->> 'in_force_from_round')::bigint > last_round THEN 'coming'
      WHEN body -> 'rule' = 'null'::jsonb OR version < max(version) FILTER (
        WHERE (body ->> 'in_force_from_round')::bigint <= last_round
      ) OVER (PARTITION BY market_id, policy_id) THEN 'past'
      ELSE 'in_force'
    END AS state
  FROM (
    SELECT p.*, p.market_id || '/' || p.policy_id AS policy_key, coalesce((
      SELECT max(r.seq) FROM round AS r WHERE r.market_id = p.market_id
    ), 0) AS last_round
    FROM market_policy AS p WHERE $1::text IS NULL OR p.market_id = $1
  ) AS kept
) AS shown
WHERE ($2::text IS NULL OR (policy_key, version) > ($2::text, $3::integer))
  AND ($5::text IS NULL OR state = $5)
  AND ($6::text IS NULL OR filter_holds($6::text::jsonb, jsonb_build_object(
    'policy_id', policy_id, 'market_id', market_id, 'kind', body #> '{rule,kind}',
    'version', version, 'in_force_from_round', from_round, 'state', state,
    'set_at', micros(set_at))))
ORDER BY policy_key, version LIMIT $4;

-- name: all_policies
SELECT body FROM market_policy WHERE market_id = $1 ORDER BY policy_id, version;

-- name: last_round
SELECT coalesce(max(seq), 0) AS seq FROM round WHERE market_id = $1;

-- name: put_policy
INSERT INTO market_policy (market_id, policy_id, version, body, set_at)
VALUES ($1, $2, $3, $4::text::jsonb, $5)
ON CONFLICT (market_id, policy_id, version) DO NOTHING;

-- name: pauses
SELECT body FROM market_pause
WHERE ($1::text IS NULL OR market_id = $1)
  AND ($2::bigint IS NULL OR (seq, market_id) < ($2::bigint, $3::text))
ORDER BY seq DESC, market_id DESC LIMIT $4;

-- name: put_pause
INSERT INTO market_pause (market_id, seq, body) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (market_id, seq) DO NOTHING;

-- name: shares
SELECT body FROM round_share
WHERE ($1::text IS NULL OR market_id = $1)
  AND ($2::bigint IS NULL OR (seq, market_id) < ($2::bigint, $3::text))
ORDER BY seq DESC, market_id DESC LIMIT $4;

-- name: put_share
INSERT INTO round_share (market_id, seq, body) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (market_id, seq) DO NOTHING;
