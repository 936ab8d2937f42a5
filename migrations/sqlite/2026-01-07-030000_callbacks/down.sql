DROP INDEX runs_by_callback;
ALTER TABLE runs DROP COLUMN callback_due_at;
ALTER TABLE runs DROP COLUMN callback_attempts;
