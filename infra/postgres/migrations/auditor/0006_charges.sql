-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What domestic shares asked of a round is told beside its file, and judged with it.
-- squawk-ignore ban-drop-constraint
ALTER TABLE round_part DROP CONSTRAINT round_part_kind_check;
ALTER TABLE round_part ADD CONSTRAINT round_part_kinds
CHECK (kind IN ('sealed', 'cleared', 'shares', 'file')) NOT VALID;

-- Digest of the shares that a judged round was told with, empty if none were; null of rounds that
-- were judged before shares were.
ALTER TABLE verdict ADD COLUMN shares_sha256 text;

-- Premiums and charges for links, by the file and by the topic; dropped once they were compared.
-- A premium is of an allocation, a charge of a demand and a link; `party` is whom it was told of.
CREATE TABLE round_charge (
  round_id text NOT NULL,
  source text NOT NULL CHECK (source IN ('file', 'topic')),
  kind text NOT NULL CHECK (kind IN ('premium', 'link')),
  subject text NOT NULL,
  party text NOT NULL,
  amount bigint NOT NULL,
  digest text NOT NULL,
  PRIMARY KEY (round_id, source, kind, subject)
);

-- By the file, what an allocation's provider receives beside the price; a charge is negative.
ALTER TABLE round_allocation ADD COLUMN premium bigint NOT NULL DEFAULT 0;

-- By the file, what of a payment goes to who runs links, and what is rent.
ALTER TABLE round_payment ADD COLUMN tariffs bigint NOT NULL DEFAULT 0;
ALTER TABLE round_payment ADD COLUMN rents bigint NOT NULL DEFAULT 0;

-- What premiums charge in a round, by its file and by the journal. Null of rounds that were judged
-- before: of them nothing is known that premiums and links could be compared with.
ALTER TABLE round_audit ADD COLUMN charges bigint CHECK (charges >= 0);
ALTER TABLE round_audit ADD COLUMN assessed bigint NOT NULL DEFAULT 0;

-- Premiums by the journal; a claim waits if escrow is empty and its premiums may still move.
ALTER TABLE claim ADD COLUMN credited jsonb NOT NULL DEFAULT '{}';
ALTER TABLE claim ADD COLUMN charged jsonb NOT NULL DEFAULT '{}';
ALTER TABLE claim ADD COLUMN moved bigint NOT NULL DEFAULT 0;
ALTER TABLE claim ADD COLUMN waits boolean NOT NULL DEFAULT false;
CREATE INDEX claim_waiting ON claim (moved) WHERE waits;

-- Of rounds that are half read, what was passed over before is read again.
DELETE FROM round_part;
DELETE FROM consumer_offset WHERE topic IN ('rounds', 'allocations');
UPDATE round_audit SET offers_through = NULL WHERE NOT allocations_compared;

-- migrate:down
