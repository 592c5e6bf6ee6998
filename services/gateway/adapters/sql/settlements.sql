-- name: put_settlements
INSERT INTO settlement
  (settlement_id, allocation_id, market_id, enterprise_id, provider_id, body, settled_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[],
  $7::timestamptz[])
ON CONFLICT (settlement_id) DO NOTHING;

-- name: put_settlement_parts
-- What a settlement says its journal entries are.
INSERT INTO settlement_entry
  (entry_id, purpose, sign, settlement_id, enterprise_id, provider_id)
SELECT DISTINCT ON (entry_id) entry_id, purpose, 1, settlement_id, enterprise_id, provider_id
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
  AS p (entry_id, purpose, settlement_id, enterprise_id, provider_id)
ON CONFLICT (entry_id) DO UPDATE SET settlement_id = excluded.settlement_id,
  enterprise_id = excluded.enterprise_id, provider_id = excluded.provider_id;

-- name: put_settlement_entries
-- Entries of a purpose that only settlements have.
INSERT INTO settlement_entry (entry_id, purpose, sign, leaf_index, amount)
SELECT DISTINCT ON (entry_id) entry_id, purpose, 1, leaf_index, amount
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
  AS e (entry_id, purpose, leaf_index, amount)
ON CONFLICT (entry_id) DO UPDATE SET leaf_index = excluded.leaf_index, amount = excluded.amount;

-- name: put_settlement_reversals
-- What takes an entry of a settlement back belongs to it; $1 are entries of either kind.
INSERT INTO settlement_entry
  (entry_id, purpose, sign, leaf_index, amount, settlement_id, enterprise_id, provider_id)
SELECT r.entry_id, s.purpose, -s.sign, r.leaf_index, s.amount, s.settlement_id, s.enterprise_id,
  s.provider_id
FROM settlement_entry AS s
JOIN account_entry AS r ON r.pending_id = s.entry_id AND r.kind = 'reversal' AND r.line = 0
WHERE s.settlement_id IS NOT NULL AND s.leaf_index IS NOT NULL
  AND (s.entry_id = ANY($1::text[]) OR r.entry_id = ANY($1::text[]))
ON CONFLICT (entry_id) DO NOTHING;

-- name: put_link_entries
-- What rounds charged demands for links, with whom it was captured from if that was read before.
INSERT INTO link_entry
  (entry_id, purpose, leaf_index, amount, market_id, round_id, order_id, enterprise_id)
SELECT DISTINCT ON (l.entry_id) l.entry_id, l.purpose, l.leaf_index, l.amount, l.market_id,
  l.round_id, l.order_id, (
    SELECT substr(c.account, length('cny:') + 1) FROM account_entry AS c
    WHERE c.order_id = l.order_id AND c.round_id = l.round_id AND c.purpose = 'hold_captured'
      AND c.line = 0
  )
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[])
  AS l (entry_id, purpose, leaf_index, amount, market_id, round_id, order_id)
ON CONFLICT (entry_id) DO NOTHING;

-- name: put_link_owners
-- Captures that were read after what they pay for links.
UPDATE link_entry AS l SET enterprise_id = substr(c.account, length('cny:') + 1)
FROM unnest($1::text[], $2::text[], $3::text[]) AS c (order_id, round_id, account)
WHERE l.enterprise_id IS NULL AND l.order_id = c.order_id AND l.round_id = c.round_id;

-- name: has_alone_entries
SELECT EXISTS (
  SELECT FROM settlement_entry
  WHERE settlement_id IS NULL AND leaf_index >= $1 AND leaf_index < $2
);

-- name: settlements
-- With where its own entries end in the log; what took one of them back is another matter.
SELECT s.seq, s.body, s.settled_at, e.end_leaf, e.is_logged
FROM settlement AS s
CROSS JOIN LATERAL (
  SELECT COALESCE(max(p.leaf_index) + 1, 0) AS end_leaf,
    COALESCE(bool_and(p.leaf_index IS NOT NULL), true) AS is_logged
  FROM settlement_entry AS p
  WHERE p.settlement_id = s.settlement_id AND p.sign = 1
) AS e
WHERE ($1::text IS NULL OR $1 IN (enterprise_id, provider_id))
  AND ($2::text IS NULL OR market_id = $2)
  AND ($3::text IS NULL OR allocation_id = $3)
  AND ($4::bigint IS NULL OR seq < $4)
  AND ($6::text IS NULL OR filter_holds($6::text::jsonb, jsonb_build_object(
    'settlement_id', s.settlement_id, 'allocation_id', s.allocation_id,
    'market_id', s.market_id, 'round_id', s.body -> 'round_id',
    'demand_id', s.body -> 'demand_id', 'enterprise_id', s.enterprise_id,
    'provider_id', s.provider_id, 'lapsed', s.body -> 'lapsed', 'paid', s.body -> 'paid',
    'settled_at', micros(s.settled_at))))
ORDER BY seq DESC LIMIT $5;

-- name: put_refusal
INSERT INTO money_refused (order_ref, participant_id, body, refused_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (order_ref) DO NOTHING;

-- name: refusals
SELECT seq, body, refused_at FROM money_refused
WHERE ($1::text IS NULL OR participant_id = $1) AND ($2::bigint IS NULL OR seq < $2)
  AND ($4::text IS NULL OR filter_holds($4::text::jsonb, jsonb_build_object(
    'order_ref', order_ref, 'participant_id', participant_id, 'amount', body -> 'amount',
    'refused_at', micros(refused_at))))
ORDER BY seq DESC LIMIT $3;

-- name: refusal
SELECT participant_id, body FROM money_refused WHERE order_ref = $1;

-- name: accounts_of_entry
SELECT account FROM account_entry WHERE entry_id = $1;

-- name: put_settlement_terms
INSERT INTO settlement_terms (market_id, version, body, set_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (market_id, version) DO NOTHING;

-- name: settlement_terms
SELECT body, set_at FROM settlement_terms
WHERE ($1::text IS NULL OR market_id = $1)
  AND ($2::text IS NULL OR (market_id, version) > ($2, $3::integer))
  AND ($5::text IS NULL OR filter_holds($5::text::jsonb, jsonb_build_object(
    'market_id', market_id, 'version', version,
    'in_force_from_round', body -> 'in_force_from_round', 'set_at', micros(set_at))))
ORDER BY market_id, version LIMIT $4;

-- name: settlement_terms_version
SELECT max(version) FROM settlement_terms WHERE market_id = $1;
