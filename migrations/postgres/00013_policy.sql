-- +goose Up
-- Entries that stand for several attempts of the same: the log itself is never changed.
CREATE TABLE activity_repeats (
  seq       BIGINT  NOT NULL PRIMARY KEY, -- of the entry
  what      TEXT    NOT NULL,             -- hash of the entry without its time
  attempts  INTEGER NOT NULL,
  last_ms   BIGINT  NOT NULL
);
CREATE INDEX activity_repeats_what ON activity_repeats (what, last_ms);

-- Rules that require encryption by what a message says of itself: patterns, one a line.
ALTER TABLE groups ADD COLUMN content_subjects TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN content_files TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN content_sensitivity BOOLEAN NOT NULL DEFAULT FALSE;

-- Mail of a group in shadow mode leaves as it came; the log tells what would have happened.
ALTER TABLE groups ADD COLUMN shadow BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE groups DROP COLUMN shadow;
ALTER TABLE groups DROP COLUMN content_sensitivity;
ALTER TABLE groups DROP COLUMN content_files;
ALTER TABLE groups DROP COLUMN content_subjects;
DROP TABLE activity_repeats;
