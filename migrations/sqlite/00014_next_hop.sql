-- +goose Up
-- How mail leaves through a mailbox: its SMTP server, or the servers of the recipients' domains; what these must show;
-- and with what is logged in. OAuth tokens are the sealed object (token, id, token_version).
ALTER TABLE mailboxes ADD COLUMN out_route TEXT NOT NULL DEFAULT 'smarthost';
ALTER TABLE mailboxes ADD COLUMN out_policy TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN out_pins TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN out_dane BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mailboxes ADD COLUMN out_mechanism TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN out_login TEXT NOT NULL DEFAULT 'password';
ALTER TABLE mailboxes ADD COLUMN out_oauth TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN token_version INTEGER NOT NULL DEFAULT 0;

-- Who renews a mailbox's OAuth tokens now: two nodes that use one refresh token at once look like a thief.
CREATE TABLE token_renewals (
  mailbox_id TEXT   NOT NULL PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
  holder     TEXT   NOT NULL,
  until_ms   BIGINT NOT NULL
);

-- MTA-STS policies of domains (RFC 8461): they must survive a restart, or each restart trusts the DNS anew.
CREATE TABLE mta_sts_policies (
  domain      TEXT   NOT NULL PRIMARY KEY,
  policy_id   TEXT   NOT NULL,
  mode        TEXT   NOT NULL,
  mx          TEXT   NOT NULL, -- patterns separated by blanks
  max_age_ms  BIGINT NOT NULL,
  fetched_ms  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE mta_sts_policies;
DROP TABLE token_renewals;
ALTER TABLE mailboxes DROP COLUMN token_version;
ALTER TABLE mailboxes DROP COLUMN out_oauth;
ALTER TABLE mailboxes DROP COLUMN out_login;
ALTER TABLE mailboxes DROP COLUMN out_mechanism;
ALTER TABLE mailboxes DROP COLUMN out_dane;
ALTER TABLE mailboxes DROP COLUMN out_pins;
ALTER TABLE mailboxes DROP COLUMN out_policy;
ALTER TABLE mailboxes DROP COLUMN out_route;
