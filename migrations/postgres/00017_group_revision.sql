-- +goose Up
-- Counts the changes of a group, so that a process knows whether the addresses and rules that it remembers are those of now.
ALTER TABLE groups ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE groups DROP COLUMN revision;
