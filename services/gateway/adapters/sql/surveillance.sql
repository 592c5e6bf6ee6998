-- name: put_owner
INSERT INTO participant_owner AS p (participant_id, beneficial_owner, log_offset)
VALUES ($1, $2, $3)
ON CONFLICT (participant_id) DO UPDATE SET
  beneficial_owner = excluded.beneficial_owner, log_offset = excluded.log_offset
WHERE p.log_offset < excluded.log_offset;

-- name: put_case
INSERT INTO surveillance_case AS c
  (case_id, market_id, day, kind, severity, revision, body, raised_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8)
ON CONFLICT (case_id) DO UPDATE SET
  severity = excluded.severity, revision = excluded.revision, body = excluded.body
WHERE c.revision < excluded.revision;

-- name: put_case_change
-- One that does not follow the version in force came too late and is left on the log.
WITH changed AS (
  UPDATE surveillance_case SET state = $4, state_version = $3
  WHERE case_id = $2 AND state_version = $3 - 1
  RETURNING case_id
)
INSERT INTO surveillance_case_change
  (event_id, case_id, version, state, reason, changed_by, changed_at)
SELECT $1, case_id, $3, $4, $5, $6, $7 FROM changed
ON CONFLICT DO NOTHING;

-- name: case
SELECT * FROM surveillance_case WHERE case_id = $1;

-- name: cases
SELECT * FROM surveillance_case
WHERE ($1::text IS NULL OR market_id = $1)
  AND ($2::date IS NULL OR day = $2)
  AND ($3::text IS NULL OR state = $3)
  AND ($4::text IS NULL OR kind = $4)
  AND ($5::bigint IS NULL OR seq < $5)
  AND ($7::text IS NULL OR filter_holds($7::text::jsonb, jsonb_build_object(
    'case_id', case_id, 'market_id', market_id, 'day', day, 'kind', kind,
    'severity', severity, 'state', state, 'raised_at', micros(raised_at))))
ORDER BY seq DESC LIMIT $6;

-- name: case_changes
SELECT case_id, version, state, reason, changed_by, changed_at
FROM surveillance_case_change WHERE case_id = ANY ($1) ORDER BY case_id, version;
