-- name: journal_cut
-- Where hours $1 and $2 begin in the log: at the first entry that happened in them or later.
SELECT
  COALESCE((SELECT min(first_leaf) FROM journal_hour WHERE hour >= $1), j.size) AS first_leaf,
  COALESCE((SELECT min(first_leaf) FROM journal_hour WHERE hour >= $2), j.size) AS end_leaf,
  EXISTS (SELECT FROM journal_hour WHERE hour >= $2) AS is_over,
  j.size = j.entries AS is_whole
FROM (
  SELECT COALESCE(max(last_leaf) + 1, 0) AS size, COALESCE(sum(entries), 0) AS entries
  FROM journal_hour
) AS j;

-- name: statement_accounts
SELECT a.account,
  COALESCE((
    SELECT e.balance_after FROM account_entry AS e
    WHERE e.account = a.account AND e.layer = 'posted' AND e.leaf_index < $2
    ORDER BY e.leaf_index DESC LIMIT 1), 0) AS opening,
  COALESCE((
    SELECT e.balance_after FROM account_entry AS e
    WHERE e.account = a.account AND e.layer = 'posted' AND e.leaf_index < $3
    ORDER BY e.leaf_index DESC LIMIT 1), 0) AS closing,
  COALESCE((
    SELECT e.balance_after FROM account_entry AS e
    WHERE e.account = a.account AND e.layer = 'pending' AND e.leaf_index < $3
    ORDER BY e.leaf_index DESC LIMIT 1), 0) AS held
FROM unnest($1::text[]) AS a (account);

-- name: statement_totals
-- By purpose, with what a capture pays for links under the purposes that the journal has for it;
-- a posting counts in the total that it is named after.
SELECT e.account, part.purpose, count(*) AS entries, count(*) FILTER (WHERE is_posting) AS postings,
  COALESCE(sum(-part.amount) FILTER (WHERE part.amount < 0), 0)::bigint AS credits,
  COALESCE(sum(part.amount) FILTER (WHERE part.amount > 0), 0)::bigint AS debits
FROM statement_posting AS e
CROSS JOIN LATERAL (VALUES
  (e.purpose, e.amount - e.link_tariff - e.link_rent, true),
  ('link_tariff', e.link_tariff, false),
  ('link_rent', e.link_rent, false)
) AS part (purpose, amount, is_posting)
WHERE e.account = ANY($1::text[]) AND e.leaf_index >= $2 AND e.leaf_index < $3
  AND (part.is_posting OR part.amount > 0)
GROUP BY e.account, part.purpose ORDER BY e.account, part.purpose;

-- name: statement_entries
SELECT leaf_index, account, entry_id, kind, purpose, -amount AS amount, -balance_after AS balance,
  -link_tariff AS link_tariff, -link_rent AS link_rent,
  market_id, round_id, order_id, occurred_at, recorded_at
FROM statement_posting
WHERE account = ANY($1::text[]) AND leaf_index >= $2 AND leaf_index < $3
  AND ($4::bigint IS NULL OR (leaf_index, account) > ($4, $5::text))
  AND ($7::text IS NULL OR filter_holds($7::text::jsonb, jsonb_build_object(
    'entry_id', entry_id, 'account', account, 'kind', kind, 'purpose', purpose,
    'amount', -amount, 'balance', -balance_after, 'link_tariff', -link_tariff,
    'link_rent', -link_rent, 'market_id', market_id,
    'round_id', round_id, 'order_id', order_id, 'leaf_index', leaf_index,
    'occurred_at', micros(occurred_at), 'recorded_at', micros(recorded_at))))
ORDER BY leaf_index, account LIMIT $6;

-- name: invoice_days
-- Days of the market's clock with charges, latest first, each with its place among all of them.
WITH hours AS (
  SELECT hour / 24 AS day, min(first_leaf) OVER (ORDER BY hour DESC) AS first_leaf
  FROM journal_hour
), days AS (
  SELECT day, min(first_leaf) AS first_leaf,
    COALESCE(
      lead(min(first_leaf)) OVER (ORDER BY day),
      (SELECT max(last_leaf) + 1 FROM journal_hour)) AS end_leaf,
    lead(day) OVER (ORDER BY day) IS NOT NULL AS is_over
  FROM hours GROUP BY day
), charged AS (
  SELECT d.*, row_number() OVER (ORDER BY d.day) AS place
  FROM days AS d
  WHERE EXISTS (
    SELECT FROM charge AS c
    WHERE c.participant_id = $1 AND c.leaf_index >= d.first_leaf AND c.leaf_index < d.end_leaf
  )
)
SELECT * FROM charged
WHERE ($2::bigint IS NULL OR day < $2) AND ($3::bigint IS NULL OR day = $3)
ORDER BY day DESC LIMIT $4;

-- name: invoice_totals
SELECT item, count(*) AS lines, sum(amount)::bigint AS amount
FROM (
  SELECT item, sum(amount) AS amount FROM charge
  WHERE participant_id = $1 AND leaf_index >= $2 AND leaf_index < $3
  GROUP BY settlement_id, round_id, order_id, item
) AS line
GROUP BY item;

-- name: invoice_lines
-- One line per item and settlement, or demand and round, with the journal entries that it is the
-- sum of.
WITH line AS (
  SELECT settlement_id, market_id, round_id, order_id, item, min(leaf_index) AS leaf,
    COALESCE(settlement_id, round_id || '/' || order_id) || '/' || item AS place,
    sum(amount)::bigint AS amount, array_agg(leaf_index ORDER BY leaf_index) AS leaf_indexes
  FROM charge
  WHERE participant_id = $1 AND leaf_index >= $2 AND leaf_index < $3
  GROUP BY settlement_id, market_id, round_id, order_id, item
)
SELECT l.settlement_id, s.allocation_id, COALESCE(l.market_id, s.market_id) AS market_id,
  COALESCE(l.round_id, s.body ->> 'round_id') AS round_id,
  COALESCE(l.order_id, s.body ->> 'demand_id') AS order_id,
  l.item, l.amount, l.leaf_indexes, l.leaf, l.place,
  CASE WHEN l.item = 'delivered' THEN (
    SELECT sum((p ->> 'delivered')::bigint) FROM jsonb_array_elements(s.body -> 'periods') AS p
  ) ELSE 0 END::bigint AS chip_hours
FROM line AS l LEFT JOIN settlement AS s USING (settlement_id)
WHERE (l.settlement_id IS NULL OR s.settlement_id IS NOT NULL)
  AND ($4::bigint IS NULL OR (l.leaf, l.place) > ($4, $5::text))
ORDER BY l.leaf, l.place LIMIT $6;
