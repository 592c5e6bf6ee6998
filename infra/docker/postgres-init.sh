#!/bin/sh
# Run once by the postgres image on an empty volume: the services' role and its database.
# Not a superuser: the row-level rules of the ledger must hold for the services too.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$SUANLI_DB_PASSWORD" \
    --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
CREATE ROLE suanli LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE suanli OWNER suanli;
SQL
