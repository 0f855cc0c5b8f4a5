-- +goose Up
CREATE TABLE groups (
  id             TEXT    NOT NULL PRIMARY KEY,
  name           TEXT    NOT NULL UNIQUE,
  sign_level     TEXT    NOT NULL,
  encrypt_level  TEXT    NOT NULL,
  auto_sign_level    TEXT NOT NULL,
  auto_encrypt_level TEXT NOT NULL,
  mixed          TEXT    NOT NULL,
  subject_tags   BOOLEAN NOT NULL DEFAULT FALSE,
  created_ms     BIGINT  NOT NULL,
  updated_ms     BIGINT  NOT NULL
);

-- A sender address belongs to one group only.
CREATE TABLE group_addresses (
  address   TEXT    NOT NULL PRIMARY KEY,
  group_id  TEXT    NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  position  INTEGER NOT NULL
);
CREATE INDEX group_addresses_group ON group_addresses (group_id, position);

-- Rules for recipient domains: they can raise a level, never lower it.
CREATE TABLE group_domain_rules (
  group_id       TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  domain         TEXT NOT NULL,
  sign_level     TEXT NOT NULL,
  encrypt_level  TEXT NOT NULL,
  PRIMARY KEY (group_id, domain)
);

-- A mailbox is what a ticket system logs in to. Its upstream passwords are the sealed object
-- (credential, id, credential_version).
CREATE TABLE mailboxes (
  id                  TEXT    NOT NULL PRIMARY KEY,
  group_id            TEXT    NOT NULL REFERENCES groups (id),
  login               TEXT    NOT NULL UNIQUE,
  password_hash       TEXT    NOT NULL,
  imap_address        TEXT    NOT NULL DEFAULT '',
  imap_tls            TEXT    NOT NULL DEFAULT '',
  imap_username       TEXT    NOT NULL DEFAULT '',
  imap_ca             TEXT    NOT NULL DEFAULT '',
  smtp_address        TEXT    NOT NULL DEFAULT '',
  smtp_tls            TEXT    NOT NULL DEFAULT '',
  smtp_username       TEXT    NOT NULL DEFAULT '',
  smtp_ca             TEXT    NOT NULL DEFAULT '',
  credential_version  INTEGER NOT NULL DEFAULT 0,
  created_ms          BIGINT  NOT NULL,
  updated_ms          BIGINT  NOT NULL
);
CREATE INDEX mailboxes_group ON mailboxes (group_id);

CREATE TABLE users (
  id             TEXT    NOT NULL PRIMARY KEY,
  name           TEXT    NOT NULL UNIQUE,
  password_hash  TEXT    NOT NULL,
  role           TEXT    NOT NULL,
  disabled       BOOLEAN NOT NULL DEFAULT FALSE,
  created_ms     BIGINT  NOT NULL,
  updated_ms     BIGINT  NOT NULL
);

CREATE TABLE user_groups (
  user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  group_id  TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, group_id)
);
CREATE INDEX user_groups_group ON user_groups (group_id);

-- An API token is stored as its SHA-256 only.
CREATE TABLE api_tokens (
  hash        TEXT   NOT NULL PRIMARY KEY,
  user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  label       TEXT   NOT NULL,
  created_ms  BIGINT NOT NULL
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

-- Web sessions: the token is stored as its hash, the data names a user and a time.
CREATE TABLE web_sessions (
  token      TEXT   NOT NULL PRIMARY KEY,
  data       BYTEA   NOT NULL,
  expiry_ms  BIGINT NOT NULL
);
CREATE INDEX web_sessions_expiry ON web_sessions (expiry_ms);

-- +goose Down
DROP TABLE web_sessions;
DROP TABLE api_tokens;
DROP TABLE user_groups;
DROP TABLE users;
DROP TABLE mailboxes;
DROP TABLE group_domain_rules;
DROP TABLE group_addresses;
DROP TABLE groups;
