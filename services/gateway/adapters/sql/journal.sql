-- The journal, looked through by people: latest first.

-- name: journal_before
SELECT leaf_index, convert_from(entry, 'UTF8') AS entry FROM journal_entry
WHERE $1::bigint IS NULL OR leaf_index < $1 ORDER BY leaf_index DESC LIMIT $2;

-- name: journal_of_accounts
SELECT leaf_index, convert_from(entry, 'UTF8') AS entry FROM journal_entry
WHERE leaf_index IN (
  SELECT DISTINCT leaf_index FROM account_entry
  WHERE account = ANY($3::text[]) AND ($1::bigint IS NULL OR leaf_index < $1)
  ORDER BY leaf_index DESC LIMIT $2
)
ORDER BY leaf_index DESC;

-- name: journal_of_order
SELECT leaf_index, convert_from(entry, 'UTF8') AS entry FROM journal_entry
WHERE leaf_index IN (
  SELECT leaf_index FROM account_entry
  WHERE order_id = $3 AND line = 0 AND ($1::bigint IS NULL OR leaf_index < $1)
  ORDER BY leaf_index DESC LIMIT $2
)
ORDER BY leaf_index DESC;

-- name: journal_one
SELECT leaf_index, convert_from(entry, 'UTF8') AS entry FROM journal_entry WHERE leaf_index = $1;
