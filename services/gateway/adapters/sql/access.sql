-- name: participant
SELECT participant_id, role, name, resource_code, beneficial_owner, status, registered_at
FROM participant LEFT JOIN participant_owner USING (participant_id)
WHERE participant_id = $1;

-- name: participants
SELECT participant_id, role, name, resource_code, beneficial_owner, status, registered_at
FROM participant LEFT JOIN participant_owner USING (participant_id)
WHERE ($1::text IS NULL OR participant_id > $1)
  AND ($3::text IS NULL OR filter_holds($3::text::jsonb, jsonb_build_object(
    'participant_id', participant_id, 'name', name, 'resource_code', resource_code,
    'beneficial_owner', beneficial_owner, 'role', role, 'status', status,
    'registered_at', micros(registered_at))))
ORDER BY participant_id LIMIT $2;

-- name: put_participant
INSERT INTO participant AS p
  (participant_id, role, name, resource_code, status, registered_at, log_offset)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (participant_id) DO UPDATE SET
  role = excluded.role, name = excluded.name, resource_code = excluded.resource_code,
  status = excluded.status, log_offset = excluded.log_offset
WHERE p.log_offset < excluded.log_offset;

-- name: may_set_role
SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'SET')), false)
FROM pg_roles WHERE rolname = $1;

-- name: identify
SELECT set_config('role', $1, false), set_config('suanli.participant_id', $2, false);
