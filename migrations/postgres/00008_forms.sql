-- +goose Up
-- How a group's mail looks: the forms of OpenPGP in it, and what stands outside of what is protected.
ALTER TABLE groups ADD COLUMN hide_subject BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE groups ADD COLUMN keep_ticket  BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE groups ADD COLUMN attach_key   BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE groups ADD COLUMN autocrypt    BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE groups ADD COLUMN inline_in    TEXT    NOT NULL DEFAULT 'whole';

-- Recipients of the domain get inline PGP instead of PGP/MIME.
ALTER TABLE group_domain_rules ADD COLUMN inline BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE group_domain_rules DROP COLUMN inline;
ALTER TABLE groups DROP COLUMN inline_in;
ALTER TABLE groups DROP COLUMN autocrypt;
ALTER TABLE groups DROP COLUMN attach_key;
ALTER TABLE groups DROP COLUMN keep_ticket;
ALTER TABLE groups DROP COLUMN hide_subject;
