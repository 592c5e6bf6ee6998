-- name: put_offers
INSERT INTO offer_terms (offer_id, version, terms)
SELECT offer_id, version, terms::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS t (offer_id, version, terms)
ON CONFLICT DO NOTHING

-- name: offers
SELECT offer_id, terms::text AS terms FROM offer_terms WHERE offer_id = ANY ($1::text[])

-- name: given
SELECT offer_id, pool, hour, chips FROM capacity_given WHERE offer_id = ANY ($1::text[])

-- name: put_given
INSERT INTO capacity_given (offer_id, pool, hour, chips)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
ON CONFLICT (offer_id, pool, hour) DO UPDATE SET chips = excluded.chips

-- name: put_bought
INSERT INTO allocation_bought (allocation_id, enterprise_id, offer_id, pool, hours)
SELECT allocation_id, enterprise_id, offer_id, pool, hours::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  AS t (allocation_id, enterprise_id, offer_id, pool, hours)
ON CONFLICT DO NOTHING

-- name: bought
SELECT allocation_id, enterprise_id, offer_id, pool, hours::text AS hours
FROM allocation_bought WHERE allocation_id = ANY ($1::text[])

-- name: sales_through
-- One more than may be is enough to know, and ends a ring.
WITH RECURSIVE chain AS (
  SELECT allocation_id AS wanted, offer_id, 1 AS sales
  FROM allocation_bought WHERE allocation_id = ANY ($1::text[])
  UNION ALL
  SELECT c.wanted, a.offer_id, c.sales + 1
  FROM chain AS c
  JOIN offer_terms AS t ON t.offer_id = c.offer_id AND t.version = 1
  JOIN allocation_bought AS a ON a.allocation_id = t.terms ->> 'resale_of'
  WHERE c.sales <= $2
)
SELECT wanted, max(sales) AS sales FROM chain GROUP BY wanted

-- name: put_shared
INSERT INTO capacity_shared (capacity, hour, sold, most)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
ON CONFLICT (capacity, hour) DO UPDATE SET sold = excluded.sold, most = excluded.most

-- name: shared
SELECT c.capacity, c.hour, c.sold, c.most FROM capacity_shared AS c
JOIN unnest($1::text[], $2::text[]) AS w (capacity, hour)
  ON (c.capacity, c.hour) = (w.capacity, w.hour)
