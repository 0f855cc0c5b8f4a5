-- +goose Up
-- Who is warned about a group's certificates: mail addresses, separated by spaces.
ALTER TABLE groups ADD COLUMN owners TEXT NOT NULL DEFAULT '';

-- When a usable certificate stops being so, by what is known: 0 means never. A subkey may end before its certificate.
ALTER TABLE certificates ADD COLUMN breaks_ms BIGINT NOT NULL DEFAULT 0;
UPDATE certificates SET breaks_ms = expires_ms;
CREATE INDEX certificates_breaks ON certificates (state, breaks_ms);

-- A warning that was sent, so that each is sent once. breaks_ms tells warnings before and after an extension apart.
CREATE TABLE health_warnings (
  fingerprint  TEXT    NOT NULL REFERENCES certificates (fingerprint) ON DELETE CASCADE,
  group_id     TEXT    NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  days         INTEGER NOT NULL, -- 60, 30 or 7
  breaks_ms    BIGINT  NOT NULL,
  sent_ms      BIGINT  NOT NULL,
  PRIMARY KEY (fingerprint, group_id, days, breaks_ms)
);
CREATE INDEX health_warnings_group ON health_warnings (group_id);

-- +goose Down
DROP TABLE health_warnings;
DROP INDEX certificates_breaks;
ALTER TABLE certificates DROP COLUMN breaks_ms;
ALTER TABLE groups DROP COLUMN owners;
