-- +goose Up
-- Who is warned about a group's certificates: mail addresses, separated by spaces.
ALTER TABLE groups ADD COLUMN owners TEXT NOT NULL DEFAULT '';

-- When a usable certificate stops being so, by what is known: 0 means never. A subkey may end before its certificate.
ALTER TABLE certificates ADD COLUMN breaks_ms BIGINT NOT NULL DEFAULT 0;
UPDATE certificates SET breaks_ms = expires_ms;
CREATE INDEX certificates_breaks ON certificates (state, breaks_ms);

-- A warning that was sent to an owner of a group, so that each is sent once.
CREATE TABLE health_warnings (
  group_id   TEXT    NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  owner      TEXT    NOT NULL,
  about      TEXT    NOT NULL, -- certificate, address, key
  subject    TEXT    NOT NULL, -- fingerprint, address, key id
  days       INTEGER NOT NULL, -- before the end of a certificate: 60, 30, 7, 0
  breaks_ms  BIGINT  NOT NULL, -- the end that was warned of: a later one is another
  sent_ms    BIGINT  NOT NULL,
  PRIMARY KEY (group_id, owner, about, subject, days, breaks_ms)
);

-- +goose Down
DROP TABLE health_warnings;
DROP INDEX certificates_breaks;
ALTER TABLE certificates DROP COLUMN breaks_ms;
ALTER TABLE groups DROP COLUMN owners;
