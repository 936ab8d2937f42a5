CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- Jobs belong to a user: others of the organization do not see them.
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    job_type TEXT NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    metadata TEXT,
    -- The member of the metadata that lists are narrowed by.
    source_id TEXT,
    background BOOLEAN,
    agent_id TEXT,
    callback_url TEXT,
    callback_sent_at TIMESTAMP,
    callback_status_code INTEGER,
    callback_error TEXT,
    ttft_ns BIGINT,
    total_duration_ns BIGINT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    completed_at TIMESTAMP,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX jobs_by_age ON jobs (user_id, job_type, created_at, id);
