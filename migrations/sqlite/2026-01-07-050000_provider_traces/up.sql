-- What model providers were asked and what they answered. Rows are many, large and of use for some days only.
CREATE TABLE provider_traces (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT REFERENCES agents (id) ON DELETE CASCADE,
    step_id TEXT REFERENCES steps (id) ON DELETE SET NULL,
    run_id TEXT REFERENCES runs (id) ON DELETE SET NULL,
    call_type TEXT NOT NULL,
    source TEXT,
    request_json TEXT NOT NULL,
    response_json TEXT NOT NULL,
    agent_tags TEXT,
    compaction_settings TEXT,
    llm_config TEXT,
    created_at TIMESTAMP NOT NULL,
    created_by_id TEXT
);
CREATE INDEX provider_traces_by_step ON provider_traces (step_id, created_at, id);
CREATE INDEX provider_traces_by_run ON provider_traces (run_id);
CREATE INDEX provider_traces_by_agent ON provider_traces (agent_id);
CREATE INDEX provider_traces_by_age ON provider_traces (created_at);
