-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What an hour cost is told by its trades alone: lowest, highest and latest price leave out rounds
-- that traded nothing there, whose price only says that nobody would have traded at it.
-- Only the gateway reads these columns, and its reader comes with this migration.
-- squawk-ignore ban-drop-not-null
ALTER TABLE price ALTER COLUMN low DROP NOT NULL;
-- squawk-ignore ban-drop-not-null
ALTER TABLE price ALTER COLUMN high DROP NOT NULL;
ALTER TABLE price
  ADD COLUMN last_price bigint,
  ADD COLUMN last_chips bigint,
  ADD COLUMN last_seq bigint;
UPDATE price SET low = NULL, high = NULL;
-- Everything follows from the curves, which are all kept.
WITH told AS (
  SELECT split_part(c.round_id, ':', 1) AS market_id, c.pool, c.first_period + u.nth - 1 AS period,
    min(u.price) AS low, max(u.price) AS high,
    max(split_part(c.round_id, ':', 2)::bigint) AS last_seq,
    (array_agg(u.price ORDER BY split_part(c.round_id, ':', 2)::bigint DESC))[1] AS last_price,
    (array_agg(u.chips ORDER BY split_part(c.round_id, ':', 2)::bigint DESC))[1] AS last_chips
  FROM round_curve c
  CROSS JOIN LATERAL unnest(c.prices, c.chips) WITH ORDINALITY AS u (price, chips, nth)
  WHERE c.kind = 'clearing' AND u.chips > 0
  GROUP BY 1, 2, 3
)
UPDATE price p SET low = t.low, high = t.high, last_price = t.last_price,
  last_chips = t.last_chips, last_seq = t.last_seq
FROM told t
WHERE p.market_id = t.market_id AND p.pool = t.pool AND p.period = t.period;
-- NOT VALID: what is there was filled just now.
ALTER TABLE price ADD CONSTRAINT price_of_trades CHECK (
  (chips_total > 0) = (low IS NOT NULL AND high IS NOT NULL AND last_price IS NOT NULL
    AND last_chips > 0 AND last_seq IS NOT NULL)
) NOT VALID;
-- Statistics and indices are cut by hours, over all pools.
-- The schema follows from the log; its only writer waits for this, readers do not.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX price_period ON price (market_id, period);

-- Microseconds since 1970: how filters compare instants.
CREATE FUNCTION micros(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (extract(epoch FROM at) * 1000000)::bigint $$;

-- Whether an item meets all terms of a filter, as schemas/filters.py evaluates them in memory. A
-- term is {"field", "op", "values"}; a field of an item is null, a value, or a list of values.
CREATE FUNCTION filter_holds(terms jsonb, item jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT NOT EXISTS (
    SELECT FROM jsonb_to_recordset(terms) AS t (field text, op text, "values" jsonb)
    CROSS JOIN LATERAL (
      SELECT
        CASE t.op
          WHEN '!=' THEN count(*) > 0 AND NOT bool_or(one = t."values" -> 0)
          WHEN '=' THEN bool_or(one = t."values" -> 0)
          WHEN 'in' THEN bool_or(t."values" @> one)
          WHEN '<' THEN bool_or(one < t."values" -> 0)
          WHEN '<=' THEN bool_or(one <= t."values" -> 0)
          WHEN '>' THEN bool_or(one > t."values" -> 0)
          WHEN '>=' THEN bool_or(one >= t."values" -> 0)
        END AS holds
      FROM jsonb_array_elements(
        CASE jsonb_typeof(item -> t.field)
          WHEN 'array' THEN item -> t.field
          WHEN 'null' THEN '[]'::jsonb
          ELSE jsonb_build_array(item -> t.field)
        END
      ) AS found (one)
      WHERE one <> 'null'::jsonb
    ) AS verdict
    WHERE verdict.holds IS NOT TRUE
  )
$$;

-- migrate:down
