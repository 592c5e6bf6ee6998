-- The log's tiles, signed heads and cosignatures.

-- name: load_new_leaves
SELECT idx, hash FROM leaf WHERE idx >= $1 ORDER BY idx LIMIT $2

-- name: load_last_leaf
SELECT max(idx) FROM leaf

-- name: load_last_signed
SELECT size, root FROM signed_checkpoint ORDER BY size DESC LIMIT 1

-- name: load_signed_note
SELECT note FROM signed_checkpoint WHERE size = $1

-- name: add_signed
INSERT INTO signed_checkpoint (size, root, note) VALUES ($1, $2, $3)

-- name: add_cosignature
INSERT INTO cosignature (size, witness, line) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
