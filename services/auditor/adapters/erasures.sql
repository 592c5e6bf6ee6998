-- name: put_ordered
INSERT INTO erasure_ordered (erasure_id, leaf_hash)
SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING

-- name: put_erased
INSERT INTO erasure_seen (leaf_index, erasure_id, leaf_hash)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING

-- name: settle_erasures
UPDATE erasure_seen AS s SET compared = true
WHERE NOT s.compared AND (
  s.leaf_index = ANY ($1::bigint[])
  OR EXISTS (
    SELECT FROM erasure_ordered AS o
    WHERE o.erasure_id = s.erasure_id AND o.leaf_hash = s.leaf_hash
  )
)

-- name: unordered
SELECT s.leaf_index, s.erasure_id, s.leaf_hash FROM erasure_seen AS s
WHERE NOT s.compared AND NOT EXISTS (
  SELECT FROM erasure_ordered AS o
  WHERE o.erasure_id = s.erasure_id AND o.leaf_hash = s.leaf_hash
)
ORDER BY s.leaf_index LIMIT $1
