-- A claim gets its reply within moments. With room on its page the row is written anew there, and
-- no index has to be told; else each order enters the key twice and leaves a dead entry behind.
-- A claim takes some 400 bytes, with its reply 950: seven of a page of 8 KiB.
-- migrate:up
SET LOCAL lock_timeout = '30s';

ALTER TABLE idempotency SET (fillfactor = 35);

-- migrate:down
ALTER TABLE idempotency RESET (fillfactor);
