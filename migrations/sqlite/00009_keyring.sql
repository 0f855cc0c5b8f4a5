-- +goose Up
-- A person chose this certificate for the address, folded.
CREATE TABLE certificate_pins (
  address      TEXT   NOT NULL PRIMARY KEY,
  fingerprint  TEXT   NOT NULL REFERENCES certificates (fingerprint) ON DELETE CASCADE,
  pinned_ms    BIGINT NOT NULL
);
CREATE INDEX certificate_pins_fingerprint ON certificate_pins (fingerprint);

-- This certificate serves every address of the domain (A-labels, lower case) that has none of its own.
CREATE TABLE certificate_domains (
  domain       TEXT   NOT NULL PRIMARY KEY,
  fingerprint  TEXT   NOT NULL REFERENCES certificates (fingerprint) ON DELETE CASCADE,
  ruled_ms     BIGINT NOT NULL
);
CREATE INDEX certificate_domains_fingerprint ON certificate_domains (fingerprint);

-- Domains whose addresses may be looked up without +tag; * is every domain.
CREATE TABLE certificate_plus_domains (
  domain  TEXT NOT NULL PRIMARY KEY
);

-- +goose Down
DROP TABLE certificate_plus_domains;
DROP TABLE certificate_domains;
DROP TABLE certificate_pins;
