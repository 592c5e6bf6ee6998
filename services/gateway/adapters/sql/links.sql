-- name: put_round_link
-- Added up in the statement that notes the round, so a round counts once. Rounds come in order;
-- should one come late, it adds to the sums and leaves the latest price alone.
WITH fresh AS (
  INSERT INTO round_link (market_id, seq, source, destination) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING RETURNING market_id
)
INSERT INTO link_period AS p (market_id, source, destination, period, seq, tariff, price, used,
  capacity, used_total, rent_total, surcharge_max)
SELECT $1, $3, $4, $5::bigint + told.place - 1, $2, $6, told.price, told.used, told.capacity,
  told.used, (told.price - $6)::numeric * told.used, told.price - $6
FROM fresh, unnest($7::bigint[], $8::bigint[], $9::bigint[]) WITH ORDINALITY
  AS told (price, used, capacity, place)
ON CONFLICT (market_id, source, destination, period) DO UPDATE SET
  used_total = p.used_total + excluded.used_total,
  rent_total = p.rent_total + excluded.rent_total,
  surcharge_max = greatest(p.surcharge_max, excluded.surcharge_max),
  seq = greatest(p.seq, excluded.seq),
  tariff = CASE WHEN excluded.seq > p.seq THEN excluded.tariff ELSE p.tariff END,
  price = CASE WHEN excluded.seq > p.seq THEN excluded.price ELSE p.price END,
  used = CASE WHEN excluded.seq > p.seq THEN excluded.used ELSE p.used END,
  capacity = CASE WHEN excluded.seq > p.seq THEN excluded.capacity ELSE p.capacity END;

-- name: links
SELECT * FROM link_period
WHERE market_id = $1 AND period >= $2 AND period < $3
  AND ($4::text IS NULL OR (source || '>' || destination, period) > ($4::text, $5::bigint))
ORDER BY source || '>' || destination, period LIMIT $6;

-- name: link_flows
SELECT source, destination, sum(used_total)::bigint AS gb,
  sum(capacity - used)::bigint AS gb_left, sum(rent_total) AS rent,
  max(surcharge_max) AS surcharge, count(*) FILTER (WHERE surcharge_max > 0) AS congested,
  count(*) AS periods
FROM link_period WHERE market_id = $1 AND period >= $2 AND period < $3
GROUP BY source, destination ORDER BY source, destination;
