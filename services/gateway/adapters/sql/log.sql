-- The transparency log: leaves, tiles, signed heads, cosignatures.

-- name: put_journal
INSERT INTO journal_entry (leaf_index, entry, leaf_hash)
SELECT DISTINCT ON (leaf_index) leaf_index, entry, leaf_hash
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS e (leaf_index, entry, leaf_hash)
ORDER BY leaf_index
ON CONFLICT (leaf_index) DO NOTHING;

-- name: journal
SELECT leaf_index, convert_from(entry, 'UTF8') AS entry FROM journal_entry
WHERE leaf_index > $1 ORDER BY leaf_index LIMIT $2;

-- name: next_leaves
SELECT leaf_index, leaf_hash FROM journal_entry
WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2;

-- name: log_entries
SELECT entry FROM journal_entry
WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index;

-- name: leaf_of_entry
SELECT leaf_index FROM account_entry WHERE entry_id = $1 LIMIT 1;

-- name: put_audit_progress
INSERT INTO audit_progress AS a (told, told_at) VALUES ($1::text::jsonb, $2)
ON CONFLICT (one) DO UPDATE SET told = excluded.told, told_at = excluded.told_at
WHERE a.told_at <= excluded.told_at;

-- name: audit_progress
SELECT told::text AS told, told_at FROM audit_progress;

-- name: put_log_head
INSERT INTO log_head AS h (size, origin, root, told_at, note) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (size) DO UPDATE SET note = excluded.note
WHERE h.note IS NULL AND h.root = excluded.root;

-- name: put_log_fork
INSERT INTO log_fork (size, root, note, told_at)
SELECT $1, $2, $3, $4 FROM log_head WHERE size = $1 AND root <> $2
ON CONFLICT (size, root) DO NOTHING;

-- name: log_fork
SELECT size FROM log_fork ORDER BY size LIMIT 1;

-- name: put_log_cosignature
INSERT INTO log_cosignature (size, root, witness, line) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: cosigned_heads
SELECT h.size, h.root, h.note FROM log_head AS h
WHERE h.note IS NOT NULL AND h.size > $1 AND h.size <= $2 AND (
  SELECT count(DISTINCT c.line) FROM log_cosignature AS c
  WHERE c.size = h.size AND c.root = h.root
) >= $3
ORDER BY h.size DESC LIMIT $4;

-- name: log_heads
SELECT size, origin, root, told_at, note FROM log_head
WHERE $1::bigint IS NULL OR size < $1 ORDER BY size DESC LIMIT $2;

-- name: signed_head
SELECT size, root, note FROM log_head
WHERE note IS NOT NULL AND size <= $1 ORDER BY size DESC LIMIT 1;

-- name: log_cosignatures
SELECT line FROM log_cosignature WHERE size = $1 AND root = $2 ORDER BY witness, line LIMIT 63;
