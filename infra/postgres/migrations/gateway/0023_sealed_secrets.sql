-- migrate:up
SET LOCAL lock_timeout = '30s';

-- Secrets of webhooks are sealed under a key that is not in the database; it has a name here. The
-- gateway seals those of before when it starts with a key.
ALTER TABLE webhook_secret ADD COLUMN key_id text CHECK (key_id ~ '^[a-z0-9_-]{1,32}$');
-- squawk-ignore ban-drop-constraint
ALTER TABLE webhook_secret DROP CONSTRAINT webhook_secret_secret_check;
ALTER TABLE webhook_secret ADD CONSTRAINT webhook_secret_length CHECK (
  -- A nonce of 12 bytes and a tag of 16 come with a seal.
  length(secret) BETWEEN 24 + CASE WHEN key_id IS NULL THEN 0 ELSE 28 END
  AND 64 + CASE WHEN key_id IS NULL THEN 0 ELSE 28 END) NOT VALID;
-- A few rows for each webhook.
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE webhook_secret VALIDATE CONSTRAINT webhook_secret_length;

-- What was sealed once is never kept in the open again.
CREATE FUNCTION keep_webhook_secret_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.key_id IS NOT NULL AND NEW.key_id IS NULL THEN
    RAISE EXCEPTION 'webhook %: key_id must be there, was none', OLD.webhook_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sealed BEFORE UPDATE ON webhook_secret
  FOR EACH ROW EXECUTE FUNCTION keep_webhook_secret_sealed();

-- migrate:down
-- Nobody can open them without the key.
DELETE FROM webhook_secret WHERE key_id IS NOT NULL;
DROP TRIGGER sealed ON webhook_secret;
DROP FUNCTION keep_webhook_secret_sealed();
-- What is left fits the rule of before; its name there is the one that it had.
-- squawk-ignore ban-drop-constraint
ALTER TABLE webhook_secret DROP CONSTRAINT webhook_secret_length;
ALTER TABLE webhook_secret ADD CONSTRAINT webhook_secret_secret_check
  CHECK (length(secret) BETWEEN 24 AND 64) NOT VALID;
ALTER TABLE webhook_secret DROP COLUMN key_id;
