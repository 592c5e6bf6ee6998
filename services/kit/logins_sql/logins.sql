-- Statements that give a service's login its rights. Names are quoted by the database, with %I.

-- name: one_at_a_time
-- Two that give rights on one table at once would be in each other's way.
SELECT pg_advisory_xact_lock(hashtextextended('migrate:' || $1, 0))

-- name: may_migrate
-- Whoever owns the schema; if it is not there, whoever may make it.
SELECT coalesce(
  (SELECT pg_has_role(current_user, nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1),
  has_database_privilege(current_database(), 'CREATE'))

-- name: role_exists
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)

-- name: make_role
SELECT format('CREATE ROLE %I NOLOGIN', $1::text)

-- name: lend_role
-- To be taken on, not to be had: what it may see is not what the service sees by itself.
SELECT format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', $1::text, $2::text)

-- name: rights
-- Everything is taken back first, so that a right that is needed no more goes.
SELECT format(text, $1::text, $2::text, $3::text) AS statement
FROM (VALUES
  (1, 'REVOKE ALL ON ALL TABLES IN SCHEMA %1$I FROM %2$I'),
  (2, 'GRANT USAGE ON SCHEMA %1$I TO %2$I'),
  (3, 'GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO %2$I'),
  (4, 'GRANT USAGE ON ALL SEQUENCES IN SCHEMA %1$I TO %2$I'),
  (5, 'GRANT %2$I TO %3$I')
) AS s (n, text)
UNION ALL
-- Row by row the service sees what the owner saw for it. A policy that says so already is left
-- alone: to change it locks its table against everybody, and services may be running.
SELECT format('ALTER POLICY service ON %I.%I TO %I, %I', schemaname, tablename, current_user,
  $2::text)
FROM pg_policies WHERE schemaname = $1 AND policyname = 'service'
  AND NOT roles @> ARRAY[current_user, $2::name]

-- name: tables
SELECT tablename AS name FROM pg_tables WHERE schemaname = $1

-- name: grant_verbs
-- The verbs are those of `rights_in`, never input.
SELECT format('GRANT %s ON %I.%I TO %I', $1::text, $2::text, $3::text, $4::text)
