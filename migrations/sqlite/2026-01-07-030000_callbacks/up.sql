-- How often the end of the run was posted to its callback address.
ALTER TABLE runs ADD COLUMN callback_attempts INTEGER NOT NULL DEFAULT 0;
-- When it is to be posted (again) once the run has ended; while it is being posted, when that counts as lost. Null when
-- nothing is left to do.
ALTER TABLE runs ADD COLUMN callback_due_at TIMESTAMP DEFAULT '1970-01-01 00:00:00';
CREATE INDEX runs_by_callback ON runs (callback_due_at) WHERE callback_url IS NOT NULL;
