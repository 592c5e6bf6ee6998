#!/bin/sh
# Run once by the postgres image on an empty volume: the owner of the schemas, the services' logins,
# which own nothing, and the database.
# Not a superuser: the row-level rules of the ledger must hold for the services too.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$SUANLI_DB_PASSWORD" \
    --set=gateway_password="$SUANLI_GATEWAY_DB_PASSWORD" \
    --set=matching_password="$SUANLI_MATCHING_DB_PASSWORD" \
    --set=ledger_password="$SUANLI_LEDGER_DB_PASSWORD" \
    --set=auditor_password="$SUANLI_AUDITOR_DB_PASSWORD" \
    --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
CREATE ROLE suanli LOGIN CREATEROLE PASSWORD :'password';
CREATE ROLE suanli_gateway LOGIN PASSWORD :'gateway_password';
CREATE ROLE suanli_matching LOGIN PASSWORD :'matching_password';
CREATE ROLE suanli_ledger LOGIN PASSWORD :'ledger_password';
CREATE ROLE suanli_auditor LOGIN PASSWORD :'auditor_password';
CREATE DATABASE suanli OWNER suanli;
SQL
