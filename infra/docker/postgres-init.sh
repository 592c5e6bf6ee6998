#!/bin/sh
# Run once by the postgres image on an empty volume: the services' role, the ledger's, the database.
# Not a superuser: the row-level rules of the ledger must hold for the services too.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$SUANLI_DB_PASSWORD" \
    --set=ledger_password="$SUANLI_LEDGER_DB_PASSWORD" \
    --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
CREATE ROLE suanli LOGIN CREATEROLE PASSWORD :'password';
CREATE ROLE suanli_ledger LOGIN PASSWORD :'ledger_password';
CREATE DATABASE suanli OWNER suanli;
SQL
