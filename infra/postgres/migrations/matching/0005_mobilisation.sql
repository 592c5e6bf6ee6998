-- migrate:up
SET LOCAL lock_timeout = '30s';

-- What was declared urgent, and what of it was withdrawn; a declaration may come after its end.
CREATE TABLE mobilisation (
  mobilisation_id text NOT NULL CHECK (mobilisation_id ~ '^mob_[a-z2-7]{26}$'),
  withdrawn boolean NOT NULL,
  body jsonb NOT NULL,
  PRIMARY KEY (mobilisation_id, withdrawn)
);

-- Which of them a round served; after a restart the cycle goes on where it was.
ALTER TABLE round ADD COLUMN mobilisation text NOT NULL DEFAULT '';

-- migrate:down
