-- migrate:up
SET LOCAL lock_timeout = '30s';

-- As before, and: new terms of an offer may wait for chips that they want more of. What matching
-- then asks of the ledger names the amendment, and the ledger's answer names what was asked.
CREATE OR REPLACE VIEW order_shown WITH (security_invoker = true) AS
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
      LEFT JOIN order_event w
        ON w.event_id = e.cause AND w.order_id = e.order_id AND w.kind = 'capacity_wanted'
      WHERE e.order_id = o.order_id AND (
        e.kind = 'hold_placed' AND e.cause = t.event_id
        OR e.kind = 'capacity_held' AND w.cause = t.event_id
      )
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
      LEFT JOIN order_event w
        ON w.event_id = e.cause AND w.order_id = e.order_id AND w.kind = 'capacity_wanted'
      WHERE e.order_id = o.order_id AND (
        e.cause = t.event_id AND (e.kind = 'hold_refused' OR e.kind = 'status'
          AND e.reason ->> 'code' NOT IN ('amend_waiting_for_hold', 'amend_waiting_for_capacity'))
        OR e.kind = 'capacity_refused' AND w.cause = t.event_id
      )
    )
  ORDER BY t.version DESC, t.log_offset DESC
  LIMIT 1
) a ON true
WHERE o.submitted_at IS NOT NULL;

-- migrate:down
