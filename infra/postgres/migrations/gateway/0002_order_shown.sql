-- migrate:up

-- An order with the terms in force and, if any, those that it waits for. Of several amendments of
-- one version the one counts that the status or the hold of that version names as its cause; one
-- that was refused by matching or by the ledger is waited for no more.
CREATE VIEW order_shown AS
SELECT o.*, t.event_id AS terms_id, t.terms, a.terms AS amendment_terms,
  a.version AS amendment_version
FROM orders o
JOIN LATERAL (
  SELECT t.event_id, t.terms
  FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version = o.version
  ORDER BY
    t.event_id = o.version_cause DESC,
    o.version > 1 AND EXISTS (
      SELECT 1 FROM order_event e
      WHERE e.order_id = o.order_id AND e.kind = 'hold_placed' AND e.cause = t.event_id
    ) DESC,
    t.log_offset DESC
  LIMIT 1
) t ON true
LEFT JOIN LATERAL (
  SELECT t.terms, t.version
  FROM order_terms t
  WHERE t.order_id = o.order_id AND t.version > o.version
    AND o.state IN ('accepted', 'open', 'part-filled')
    AND NOT EXISTS (
      SELECT 1 FROM order_event e
      WHERE e.order_id = o.order_id AND e.cause = t.event_id
        AND (e.kind = 'hold_refused'
          OR e.kind = 'status' AND e.reason ->> 'code' <> 'amend_waiting_for_hold')
    )
  ORDER BY t.version DESC, t.log_offset DESC
  LIMIT 1
) a ON true
WHERE o.submitted_at IS NOT NULL;

-- migrate:down
