-- Webhooks: endpoints, their secrets, what they are to be told and what they took.

-- name: lock_webhooks_of
-- Of two that make one at once the second waits for the first, and then counts it.
SELECT pg_advisory_xact_lock(hashtextextended('webhook ' || $1, 0));

-- name: put_webhook
-- None if there are too many.
WITH made AS (
  INSERT INTO webhook (webhook_id, participant_id, sees_all, url, events, market_id, description,
    last_seq)
  SELECT $1, $2, $3, $4, $5, $6, $7, h.next_seq - 1
  FROM stream_head AS h
  WHERE (SELECT count(*) FROM webhook WHERE participant_id = $2) < $10
  RETURNING *
),
secret AS (
  INSERT INTO webhook_secret (webhook_id, key_id, secret) SELECT webhook_id, $8, $9 FROM made
)
SELECT m.*, h.feed FROM made AS m, stream_head AS h;

-- name: webhooks_of
SELECT w.*, h.feed FROM webhook AS w, stream_head AS h
WHERE w.participant_id = $1 ORDER BY w.created_at DESC, w.webhook_id;

-- name: webhook
SELECT w.*, h.feed FROM webhook AS w, stream_head AS h WHERE w.webhook_id = $1;

-- name: change_webhook
-- What is active again, or has another address, is tried at once.
UPDATE webhook AS w SET url = $2, events = $3, market_id = $4, description = $5, state = $6,
  disabled_because = CASE WHEN $6 = 'active' THEN NULL
    ELSE coalesce(w.disabled_because, 'owner') END,
  failures = CASE WHEN w.state = $6 AND w.url = $2 THEN w.failures ELSE 0 END,
  failing_since = CASE WHEN w.state = $6 AND w.url = $2 THEN w.failing_since END,
  next_at = CASE WHEN w.state = $6 AND w.url = $2 THEN w.next_at ELSE now() END
FROM stream_head AS h
WHERE w.webhook_id = $1
RETURNING w.*, h.feed;

-- name: delete_webhook
DELETE FROM webhook AS w USING stream_head AS h WHERE w.webhook_id = $1 RETURNING w.*, h.feed;

-- name: retire_webhook_secrets
-- The one in force counts a while longer; an older one has no time left.
UPDATE webhook_secret SET valid_until = CASE WHEN valid_until IS NULL
  THEN now() + $2 * interval '1 second' ELSE LEAST(valid_until, now()) END
WHERE webhook_id = $1;

-- name: add_webhook_secret
INSERT INTO webhook_secret (webhook_id, key_id, secret) VALUES ($1, $2, $3);

-- name: webhook_secrets
-- The newest first.
SELECT webhook_id, key_id, secret FROM webhook_secret
WHERE webhook_id = $1 AND (valid_until IS NULL OR valid_until > now())
ORDER BY created_at DESC LIMIT 2;

-- name: drop_old_webhook_secrets
DELETE FROM webhook_secret WHERE valid_until <= now();

-- name: unknown_webhook_key
SELECT min(key_id) FROM webhook_secret WHERE key_id <> ALL($1::text[]);

-- name: older_webhook_secrets
-- Of two gateways that start at once the second waits for the first, and finds nothing more.
SELECT webhook_id, created_at, key_id, secret FROM webhook_secret
WHERE key_id IS DISTINCT FROM $1 ORDER BY webhook_id, created_at LIMIT $2 FOR UPDATE;

-- name: reseal_webhook_secret
UPDATE webhook_secret SET key_id = $3, secret = $4 WHERE webhook_id = $1 AND created_at = $2;

-- name: webhooks_due
-- Active endpoints that have something to be told, and are not waiting after a failure.
SELECT w.*, h.feed, h.kept_from FROM webhook AS w, stream_head AS h
WHERE w.state = 'active' AND w.next_at <= clock_timestamp() AND w.webhook_id <> ALL($1::text[])
  AND (w.last_seq < h.kept_from - 1 OR EXISTS (
    SELECT FROM stream_event AS s
    WHERE s.seq > w.last_seq AND s.stream || '.' || s.kind = ANY(w.events)
      AND (s.participant_id IS NULL OR w.sees_all OR s.participant_id = w.participant_id)
      AND (w.market_id IS NULL OR s.market_id = w.market_id)))
ORDER BY w.next_at, w.webhook_id LIMIT $2;

-- name: advance_idle_webhooks
-- So that nobody goes over the same events that they do not want again and again.
UPDATE webhook AS w SET last_seq = h.next_seq - 1 FROM stream_head AS h
WHERE w.state = 'active' AND w.failures = 0 AND w.last_seq < h.next_seq - 500
  AND w.last_seq >= h.kept_from - 1 AND w.webhook_id <> ALL($1::text[]) AND NOT EXISTS (
    SELECT FROM stream_event AS s
    WHERE s.seq > w.last_seq AND s.seq < h.next_seq AND s.stream || '.' || s.kind = ANY(w.events)
      AND (s.participant_id IS NULL OR w.sees_all OR s.participant_id = w.participant_id)
      AND (w.market_id IS NULL OR s.market_id = w.market_id));

-- name: webhook_page
SELECT s.seq, s.stream, s.kind, s.market_id, s.participant_id, s.subject, s.body::text AS body,
  s.told_at
FROM stream_event AS s, webhook AS w
WHERE w.webhook_id = $1 AND w.state = 'active' AND s.seq > w.last_seq
  AND s.stream || '.' || s.kind = ANY(w.events)
  AND (s.participant_id IS NULL OR w.sees_all OR s.participant_id = w.participant_id)
  AND (w.market_id IS NULL OR s.market_id = w.market_id)
ORDER BY s.seq LIMIT $2;

-- name: webhook_event
-- Only what the endpoint may be told.
SELECT s.seq, s.stream, s.kind, s.market_id, s.participant_id, s.subject, s.body::text AS body,
  s.told_at
FROM stream_event AS s, webhook AS w
WHERE w.webhook_id = $1 AND s.seq = $2
  AND (s.participant_id IS NULL OR w.sees_all OR s.participant_id = w.participant_id);

-- name: put_delivery
INSERT INTO webhook_delivery AS d
  (webhook_id, message_id, type, seq, attempts, is_taken, status, error, duration_ms)
SELECT webhook_id, $2, $3, $4, 1, $5, $6, $7, $8 FROM webhook WHERE webhook_id = $1
ON CONFLICT (webhook_id, message_id) DO UPDATE
SET attempts = d.attempts + 1, is_taken = d.is_taken OR excluded.is_taken,
  status = excluded.status, error = excluded.error, duration_ms = excluded.duration_ms,
  last_at = clock_timestamp();

-- name: webhook_took
UPDATE webhook SET last_seq = $2, failures = 0, failing_since = NULL, next_at = clock_timestamp()
WHERE webhook_id = $1 AND last_seq < $2;

-- name: webhook_failed
-- Disabled if it has failed for too long, or wants no more; not if it was changed meanwhile.
UPDATE webhook SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
  next_at = clock_timestamp() + $2 * interval '1 second',
  state = CASE WHEN $4 OR failing_since < now() - $3 * interval '1 day' THEN 'disabled'
    ELSE state END,
  disabled_because = CASE WHEN $4 THEN 'gone'
    WHEN failing_since < now() - $3 * interval '1 day' THEN 'failing' END
WHERE webhook_id = $1 AND state = 'active' AND url = $5
RETURNING state, participant_id;

-- name: deliveries_of
SELECT number, message_id, type, attempts, is_taken, status, error, duration_ms, first_at, last_at
FROM webhook_delivery
WHERE webhook_id = $1 AND ($2::bigint IS NULL OR number < $2)
  AND ($3::boolean IS NULL OR is_taken = $3)
ORDER BY number DESC LIMIT $4;

-- name: prune_deliveries
WITH old AS (
  SELECT number FROM webhook_delivery WHERE last_at < now() - $1 * interval '1 day'
  ORDER BY last_at LIMIT 20000
)
DELETE FROM webhook_delivery AS d USING old WHERE d.number = old.number;
