-- What the comparison of books keeps to go on with.

-- name: book_checkpoint
SELECT version, positions, parts, digest, read_from FROM book_checkpoint

-- name: book_parts
SELECT market_id, name, key, body FROM book_part WHERE over IS NULL

-- name: book_parts_over
SELECT key, body, over FROM book_part
WHERE market_id = $1 AND name = $2 AND key = ANY ($3::text[]) AND over IS NOT NULL

-- name: drop_all_book_parts
DELETE FROM book_part

-- name: drop_book_parts
DELETE FROM book_part AS p
USING unnest($1::text[], $2::text[], $3::text[]) AS g (market_id, name, key)
WHERE (p.market_id, p.name, p.key) = (g.market_id, g.name, g.key)

-- name: put_book_parts
INSERT INTO book_part (market_id, name, key, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
ON CONFLICT (market_id, name, key) DO UPDATE SET body = EXCLUDED.body, over = NULL

-- name: let_book_parts_go
UPDATE book_part AS p SET over = g.digest
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS g (market_id, name, key, digest)
WHERE (p.market_id, p.name, p.key) = (g.market_id, g.name, g.key)

-- name: put_book_checkpoint
INSERT INTO book_checkpoint (version, positions, parts, digest, read_from, kept_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (one) DO UPDATE SET version = EXCLUDED.version, positions = EXCLUDED.positions,
  parts = EXCLUDED.parts, digest = EXCLUDED.digest, read_from = EXCLUDED.read_from,
  kept_at = EXCLUDED.kept_at
