-- name: put_dead_letter
INSERT INTO dead_letter
  (log_partition, log_offset, reason, field, value, allowed, source_topic, source_partition,
   source_offset, bytes, buried_at, consumer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (log_partition, log_offset) DO NOTHING;

-- name: dead_letters
SELECT l.*, d.act, d.reason AS decided_reason, d.decided_by, d.decided_at, d.sent_to
FROM dead_letter AS l LEFT JOIN dead_letter_decision AS d USING (log_partition, log_offset)
WHERE ($1::bigint IS NULL OR l.seq < $1)
  AND ($2::text IS NULL OR coalesce(d.act, 'open') = $2)
  AND ($3::text IS NULL OR l.source_topic = $3)
ORDER BY l.seq DESC LIMIT $4;

-- name: dead_letter
SELECT l.*, d.act, d.reason AS decided_reason, d.decided_by, d.decided_at, d.sent_to
FROM dead_letter AS l LEFT JOIN dead_letter_decision AS d USING (log_partition, log_offset)
WHERE l.log_partition = $1 AND l.log_offset = $2;

-- name: decide_dead_letter
INSERT INTO dead_letter_decision
  (log_partition, log_offset, act, reason, decided_by, decided_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (log_partition, log_offset) DO NOTHING;

-- name: uncopied_dead_letter
-- Whoever comes second waits here, and then finds the copy on record.
SELECT 1 FROM dead_letter_decision
WHERE log_partition = $1 AND log_offset = $2 AND act = 'redriven' AND sent_to IS NULL
FOR UPDATE;

-- name: sent_dead_letter
UPDATE dead_letter_decision SET sent_to = $3
WHERE log_partition = $1 AND log_offset = $2 AND act = 'redriven' AND sent_to IS NULL;
