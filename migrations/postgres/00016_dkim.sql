-- +goose Up
-- Keys that sign for domains of ours (DKIM). The secret is a sealed object of the row's id.
CREATE TABLE dkim_keys (
  id          TEXT    NOT NULL PRIMARY KEY,
  domain      TEXT    NOT NULL,             -- A-labels, lower case
  selector    TEXT    NOT NULL,             -- lower case
  algorithm   TEXT    NOT NULL,             -- rsa, ed25519
  public      TEXT    NOT NULL,             -- as in the p= tag of the key record
  origin      TEXT    NOT NULL,             -- generated, imported
  active      BOOLEAN NOT NULL DEFAULT FALSE,
  finding     TEXT    NOT NULL DEFAULT '',  -- what the last look at the DNS saw, '' before the first
  checked_ms  BIGINT  NOT NULL DEFAULT 0,
  created_ms  BIGINT  NOT NULL
);
CREATE UNIQUE INDEX dkim_keys_name ON dkim_keys (domain, selector);

-- +goose Down
DROP TABLE dkim_keys;
