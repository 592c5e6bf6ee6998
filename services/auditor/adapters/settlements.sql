-- name: put_settling_fee
INSERT INTO settling_round (round_id, fee_ppm) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (round_id) DO UPDATE SET fee_ppm = excluded.fee_ppm

-- name: put_settling_judged
INSERT INTO settling_round (round_id, judged) VALUES ($1, true)
ON CONFLICT (round_id) DO UPDATE SET judged = true

-- name: put_settling_premiums
INSERT INTO settling_premium (allocation_id, hours)
SELECT allocation_id, hours::jsonb FROM unnest($1::text[], $2::text[]) AS t (allocation_id, hours)
ON CONFLICT DO NOTHING

-- name: put_settling_terms
INSERT INTO settling_terms (market_id, version, terms) VALUES ($1, $2, $3::jsonb)
ON CONFLICT DO NOTHING

-- name: put_settlements
INSERT INTO settlement_waiting (market_id, place, told)
SELECT market_id, place, told::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS t (market_id, place, told)
ON CONFLICT DO NOTHING

-- name: put_settling_passed
INSERT INTO settling_passed (entry_id)
SELECT * FROM unnest($1::text[]) AS t (entry_id)
WHERE NOT EXISTS (SELECT FROM entry_seen AS s WHERE s.entry_id = t.entry_id)
ON CONFLICT DO NOTHING

-- name: put_settling_entries
INSERT INTO settling_entry (entry_id, market_id, leaf_index, purpose, debit, credit, amount)
SELECT t.* FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
  $7::bigint[]) AS t (entry_id, market_id, leaf_index, purpose, debit, credit, amount)
WHERE NOT EXISTS (SELECT FROM settling_passed AS p WHERE p.entry_id = t.entry_id)
ON CONFLICT DO NOTHING

-- name: settlements_waiting
-- The first of each market, so that none waits for another's. Markets are found by the index, one
-- by one: after a start that reads the log from its beginning, a million may wait in three markets.
WITH RECURSIVE m AS (
  (SELECT market_id FROM settlement_waiting ORDER BY market_id LIMIT 1)
  UNION ALL
  SELECT following.market_id FROM m
  CROSS JOIN LATERAL (
    SELECT one.market_id FROM settlement_waiting AS one
    WHERE one.market_id > m.market_id ORDER BY one.market_id LIMIT 1
  ) AS following
)
SELECT w.market_id, w.place, w.told::text AS told, b.told::text AS allocation,
  b.settled::text AS settled, p.hours::text AS premiums, s.fee_ppm, t.terms::text AS terms,
  o.terms ->> 'resale_of' AS resale_of,
  CASE
    WHEN s.judged THEN 'judged'
    WHEN EXISTS (SELECT FROM verdict AS v WHERE v.round_id = w.told ->> 'round_id') THEN 'passed'
    ELSE 'awaited'
  END AS round
FROM m
CROSS JOIN LATERAL (
  SELECT * FROM settlement_waiting AS one
  WHERE one.market_id = m.market_id ORDER BY one.place LIMIT $1
) AS w
LEFT JOIN allocation_bought AS b ON b.allocation_id = w.told ->> 'allocation_id'
LEFT JOIN settling_premium AS p ON p.allocation_id = w.told ->> 'allocation_id'
LEFT JOIN settling_round AS s ON s.round_id = w.told ->> 'round_id'
LEFT JOIN settling_terms AS t
  ON (t.market_id, t.version) = (w.market_id, (w.told ->> 'terms_version')::bigint)
LEFT JOIN offer_terms AS o ON o.offer_id = b.offer_id AND o.version = 1
ORDER BY w.market_id, w.place

-- name: settling_entries
SELECT entry_id, leaf_index, purpose, debit, credit, amount
FROM settling_entry WHERE entry_id = ANY ($1::text[])

-- name: is_seen
SELECT EXISTS (SELECT FROM entry_seen WHERE entry_id = ANY ($1::text[]) AND leaf_index < $2)

-- name: settling_before
SELECT entry_id, leaf_index, purpose, debit, credit, amount
FROM settling_entry WHERE market_id = $1 AND leaf_index < $2 ORDER BY leaf_index LIMIT $3

-- name: sold_on
-- An allocation with what was sold on of it.
SELECT allocation_id, told::text AS told, settled::text AS settled
FROM allocation_bought WHERE allocation_id = $1
UNION ALL
SELECT b.allocation_id, b.told::text, b.settled::text
FROM offer_terms AS o JOIN allocation_bought AS b ON b.offer_id = o.offer_id
WHERE o.terms ->> 'resale_of' = $1 AND o.version = 1

-- name: is_settling
SELECT EXISTS (SELECT FROM settlement_waiting WHERE told ->> 'allocation_id' = $1)

-- name: put_settled_hours
UPDATE allocation_bought AS b SET settled = b.settled || t.hours::jsonb
FROM unnest($1::text[], $2::text[]) AS t (allocation_id, hours)
WHERE b.allocation_id = t.allocation_id

-- name: drop_settlements
DELETE FROM settlement_waiting AS s USING unnest($1::text[], $2::bigint[]) AS t (market_id, place)
WHERE (s.market_id, s.place) = (t.market_id, t.place)

-- name: drop_settling_entries
DELETE FROM settling_entry WHERE entry_id = ANY ($1::text[])
