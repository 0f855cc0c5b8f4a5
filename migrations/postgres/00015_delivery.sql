-- +goose Up
-- What a copy's delivery needs beside its bytes.
ALTER TABLE queue_messages ADD COLUMN require_tls BOOLEAN NOT NULL DEFAULT FALSE;   -- RFC 8689
ALTER TABLE queue_messages ADD COLUMN signatures TEXT NOT NULL DEFAULT '';          -- DKIM-Signature fields, each ending in CRLF
ALTER TABLE queue_messages ADD COLUMN retry_lifetime_ms BIGINT NOT NULL DEFAULT 0;  -- 0 in these four: the default
ALTER TABLE queue_messages ADD COLUMN retry_warn_after_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE queue_messages ADD COLUMN retry_first_wait_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE queue_messages ADD COLUMN retry_longest_wait_ms BIGINT NOT NULL DEFAULT 0;

ALTER TABLE queue_recipients ADD COLUMN destination TEXT NOT NULL DEFAULT '';       -- next hop, or the recipient's domain
ALTER TABLE queue_recipients ADD COLUMN deadline_ms BIGINT NOT NULL DEFAULT 0;      -- when to look without an attempt; 1: a person wants an attempt now; 0: never
ALTER TABLE queue_recipients ADD COLUMN delay_told_ms BIGINT NOT NULL DEFAULT 0;    -- when the sender was told that it is delayed; -1: nobody wants to know
ALTER TABLE queue_recipients ADD COLUMN relay_told_ms BIGINT NOT NULL DEFAULT 0;    -- when the sender was told that it was relayed
UPDATE queue_recipients SET destination = (SELECT mailbox_id FROM queue_messages WHERE queue_messages.id = queue_recipients.queue_id);
UPDATE queue_recipients SET deadline_ms = (SELECT created_ms + 432000000 FROM queue_messages WHERE queue_messages.id = queue_recipients.queue_id)
  WHERE state IN ('pending', 'sending', 'uncertain');

DROP INDEX queue_recipients_due;
CREATE INDEX queue_recipients_due ON queue_recipients (destination, next_attempt_ms) WHERE state IN ('pending', 'uncertain');
CREATE INDEX queue_recipients_lease ON queue_recipients (lease_until_ms) WHERE state = 'sending';
CREATE INDEX queue_recipients_deadline ON queue_recipients (deadline_ms) WHERE deadline_ms > 0;
CREATE INDEX queue_recipients_open ON queue_recipients (queue_id, destination) WHERE finished_ms = 0;

-- Destinations that could not be reached, until one attempt reaches them again.
CREATE TABLE queue_destinations (
  destination    TEXT    NOT NULL PRIMARY KEY,
  failures       INTEGER NOT NULL,  -- in a row
  rest_until_ms  BIGINT  NOT NULL,
  reason         TEXT    NOT NULL,
  since_ms       BIGINT  NOT NULL   -- of the first failure
);

-- How long and how often a group's mail is tried; 0 means the default.
ALTER TABLE groups ADD COLUMN retry_lifetime_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN retry_warn_after_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN retry_first_wait_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN retry_longest_wait_ms BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE groups DROP COLUMN retry_longest_wait_ms;
ALTER TABLE groups DROP COLUMN retry_first_wait_ms;
ALTER TABLE groups DROP COLUMN retry_warn_after_ms;
ALTER TABLE groups DROP COLUMN retry_lifetime_ms;
DROP TABLE queue_destinations;
DROP INDEX queue_recipients_open;
DROP INDEX queue_recipients_deadline;
DROP INDEX queue_recipients_lease;
DROP INDEX queue_recipients_due;
CREATE INDEX queue_recipients_due ON queue_recipients (state, next_attempt_ms);
ALTER TABLE queue_recipients DROP COLUMN relay_told_ms;
ALTER TABLE queue_recipients DROP COLUMN delay_told_ms;
ALTER TABLE queue_recipients DROP COLUMN deadline_ms;
ALTER TABLE queue_recipients DROP COLUMN destination;
ALTER TABLE queue_messages DROP COLUMN retry_longest_wait_ms;
ALTER TABLE queue_messages DROP COLUMN retry_first_wait_ms;
ALTER TABLE queue_messages DROP COLUMN retry_warn_after_ms;
ALTER TABLE queue_messages DROP COLUMN retry_lifetime_ms;
ALTER TABLE queue_messages DROP COLUMN signatures;
ALTER TABLE queue_messages DROP COLUMN require_tls;
