-- What a turn needs to be carried on by another process than the one that began it.

-- What of the request it goes by.
ALTER TABLE runs ADD COLUMN request JSON;
-- How far it has come, as of its last finished step.
ALTER TABLE runs ADD COLUMN progress JSON;
-- The tool calls under way. They may be those of an earlier run, which a client has let through now, so the state
-- belongs to the run and not to a step.
ALTER TABLE runs ADD COLUMN draft JSON;
-- How often it was carried on by another process.
ALTER TABLE runs ADD COLUMN resumes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps DROP COLUMN draft;

-- A run has a node until it is wound up, also when it was cancelled before that.
CREATE INDEX runs_unsettled ON runs (lease_until) WHERE node_id IS NOT NULL;
