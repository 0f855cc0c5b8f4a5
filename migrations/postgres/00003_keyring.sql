-- +goose Up
-- A certificate is public: its packets stand here in clear. Its secret key, if we hold it, is the sealed
-- object (secret-key, fingerprint, secret_version).
CREATE TABLE certificates (
  fingerprint     TEXT    NOT NULL PRIMARY KEY,
  packets         BYTEA    NOT NULL,
  state           TEXT    NOT NULL,
  source          TEXT    NOT NULL,
  secret_version  INTEGER NOT NULL DEFAULT 0,
  secret_keys     TEXT    NOT NULL DEFAULT '', -- fingerprints of the keys in it, separated by spaces
  created_ms      BIGINT  NOT NULL,
  expires_ms      BIGINT  NOT NULL DEFAULT 0,
  revoked         BOOLEAN NOT NULL DEFAULT FALSE,
  imported_ms     BIGINT  NOT NULL,
  updated_ms      BIGINT  NOT NULL
);
CREATE INDEX certificates_updated ON certificates (updated_ms);

CREATE TABLE certificate_addresses (
  address      TEXT NOT NULL,
  fingerprint  TEXT NOT NULL REFERENCES certificates (fingerprint) ON DELETE CASCADE,
  PRIMARY KEY (address, fingerprint)
);
CREATE INDEX certificate_addresses_fingerprint ON certificate_addresses (fingerprint);

-- Every key (primary and subkeys) of every certificate by its 64-bit key id, 16 upper-case hex digits.
CREATE TABLE certificate_keys (
  key_id           TEXT NOT NULL,
  key_fingerprint  TEXT NOT NULL,
  fingerprint      TEXT NOT NULL REFERENCES certificates (fingerprint) ON DELETE CASCADE,
  PRIMARY KEY (key_id, key_fingerprint, fingerprint)
);
CREATE INDEX certificate_keys_fingerprint ON certificate_keys (fingerprint);

-- +goose Down
DROP TABLE certificate_keys;
DROP TABLE certificate_addresses;
DROP TABLE certificates;
