-- JSON is kept as TEXT: a column declared JSON has numeric affinity, which rewrites numbers.

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    privileged_tools BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX organizations_by_age ON organizations (created_at, id);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    timezone TEXT NOT NULL DEFAULT 'UTC',
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX users_by_age ON users (created_at, id);
CREATE INDEX users_by_organization ON users (organization_id);

CREATE TABLE agents (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_type TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    system TEXT NOT NULL,
    -- The messages in context, oldest first; the first one is the compiled system message.
    message_ids TEXT NOT NULL,
    metadata TEXT,
    llm_config TEXT NOT NULL,
    embedding_config TEXT,
    compaction_settings TEXT,
    response_format TEXT,
    tool_rules TEXT NOT NULL,
    project_id TEXT,
    template_id TEXT,
    base_template_id TEXT,
    deployment_id TEXT,
    entity_id TEXT,
    message_buffer_autoclear BOOLEAN NOT NULL DEFAULT FALSE,
    enable_sleeptime BOOLEAN,
    last_run_completion TIMESTAMP,
    last_run_duration_ms BIGINT,
    last_stop_reason TEXT,
    timezone TEXT,
    max_files_open BIGINT,
    per_file_view_window_char_limit BIGINT,
    hidden BOOLEAN,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX agents_by_age ON agents (organization_id, created_at, id);
CREATE INDEX agents_by_update ON agents (organization_id, updated_at, id);
CREATE INDEX agents_by_last_run ON agents (organization_id, last_run_completion, id);
CREATE INDEX agents_by_name ON agents (organization_id, name);
CREATE INDEX agents_by_creator ON agents (organization_id, created_by_id);
CREATE INDEX agents_by_deployment ON agents (organization_id, deployment_id);
CREATE INDEX agents_by_project ON agents (organization_id, project_id);

CREATE TABLE agents_tags (
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, tag)
);
CREATE INDEX agents_tags_by_tag ON agents_tags (organization_id, tag, agent_id);

CREATE TABLE blocks (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    value TEXT NOT NULL,
    char_limit BIGINT NOT NULL,
    description TEXT,
    read_only BOOLEAN NOT NULL DEFAULT FALSE,
    metadata TEXT,
    is_template BOOLEAN NOT NULL DEFAULT FALSE,
    template_name TEXT,
    template_id TEXT,
    base_template_id TEXT,
    deployment_id TEXT,
    entity_id TEXT,
    preserve_on_migration BOOLEAN,
    project_id TEXT,
    hidden BOOLEAN,
    -- Counts the writes of the row, so that a writer notices one that came between its read and its write.
    version INTEGER NOT NULL DEFAULT 1,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX blocks_by_age ON blocks (organization_id, created_at, id);
CREATE INDEX blocks_by_label ON blocks (organization_id, label);
CREATE INDEX blocks_by_deployment ON blocks (organization_id, deployment_id);
CREATE INDEX blocks_by_project ON blocks (organization_id, project_id);

CREATE TABLE blocks_tags (
    block_id TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (block_id, tag)
);
CREATE INDEX blocks_tags_by_tag ON blocks_tags (organization_id, tag, block_id);

CREATE TABLE blocks_agents (
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    block_id TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    -- The label of the block, kept here because it is unique within an agent.
    label TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, block_id),
    UNIQUE (agent_id, label)
);
CREATE INDEX blocks_agents_by_block ON blocks_agents (block_id, agent_id);

CREATE TABLE tools (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    tool_type TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    source_type TEXT,
    source_code TEXT,
    json_schema TEXT,
    args_json_schema TEXT,
    return_char_limit BIGINT NOT NULL,
    pip_requirements TEXT,
    npm_requirements TEXT,
    tags TEXT NOT NULL,
    default_requires_approval BOOLEAN,
    enable_parallel_execution BOOLEAN,
    metadata TEXT,
    project_id TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT,
    UNIQUE (organization_id, name)
);
CREATE INDEX tools_by_age ON tools (organization_id, created_at, id);

CREATE TABLE tools_agents (
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    tool_id TEXT NOT NULL REFERENCES tools (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, tool_id)
);
CREATE INDEX tools_agents_by_tool ON tools_agents (tool_id, agent_id);

CREATE TABLE agent_environment_variables (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value_enc TEXT NOT NULL,
    description TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT,
    UNIQUE (agent_id, key)
);

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    conversation_id TEXT,
    project_id TEXT,
    template_id TEXT,
    base_template_id TEXT,
    status TEXT NOT NULL,
    background BOOLEAN,
    metadata TEXT,
    request_config TEXT,
    stop_reason TEXT,
    callback_url TEXT,
    callback_sent_at TIMESTAMP,
    callback_status_code INTEGER,
    callback_error TEXT,
    ttft_ns BIGINT,
    total_duration_ns BIGINT,
    run_start_ns BIGINT,
    num_steps INTEGER NOT NULL DEFAULT 0,
    tools_used TEXT,
    -- The message history the run works on: its conversation, or its agent for the default history.
    history_key TEXT NOT NULL,
    -- Input that was accepted and is not in the history yet.
    pending_input TEXT,
    -- Whether the client has been told that the input is taken.
    accepted BOOLEAN NOT NULL DEFAULT FALSE,
    node_id TEXT,
    lease_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    completed_at TIMESTAMP,
    created_by_id TEXT
);
CREATE INDEX runs_by_age ON runs (organization_id, created_at, id);
CREATE INDEX runs_by_agent ON runs (agent_id, created_at, id);
CREATE INDEX runs_by_conversation ON runs (conversation_id, created_at, id);
CREATE INDEX runs_by_history ON runs (history_key, created_at, id);
CREATE INDEX runs_by_status ON runs (status, lease_until);

CREATE TABLE steps (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT REFERENCES agents (id) ON DELETE CASCADE,
    run_id TEXT REFERENCES runs (id) ON DELETE SET NULL,
    project_id TEXT,
    template_id TEXT,
    base_template_id TEXT,
    origin TEXT,
    provider_id TEXT,
    provider_name TEXT,
    provider_category TEXT,
    model TEXT,
    model_handle TEXT,
    model_endpoint TEXT,
    context_window_limit BIGINT,
    completion_tokens BIGINT NOT NULL DEFAULT 0,
    prompt_tokens BIGINT NOT NULL DEFAULT 0,
    total_tokens BIGINT NOT NULL DEFAULT 0,
    cached_input_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    completion_tokens_details TEXT,
    prompt_tokens_details TEXT,
    stop_reason TEXT,
    tags TEXT NOT NULL,
    tid TEXT,
    trace_id TEXT,
    request_id TEXT,
    feedback TEXT,
    error_type TEXT,
    error_data TEXT,
    status TEXT NOT NULL,
    -- What the step has done so far, from which it is continued or settled after a crash.
    draft TEXT,
    step_start_ns BIGINT,
    llm_request_start_ns BIGINT,
    llm_request_ns BIGINT,
    tool_execution_ns BIGINT,
    step_ns BIGINT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX steps_by_age ON steps (organization_id, created_at, id);
CREATE INDEX steps_by_agent ON steps (agent_id, created_at, id);
CREATE INDEX steps_by_run ON steps (run_id, created_at, id);

CREATE TABLE messages (
    -- The order of all messages, and their cursor.
    sequence_id INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    conversation_id TEXT,
    role TEXT NOT NULL,
    content TEXT,
    name TEXT,
    model TEXT,
    tool_calls TEXT,
    tool_call_id TEXT,
    tool_returns TEXT,
    approvals TEXT,
    approve BOOLEAN,
    approval_request_id TEXT,
    denial_reason TEXT,
    otid TEXT,
    sender_id TEXT,
    group_id TEXT,
    batch_item_id TEXT,
    step_id TEXT REFERENCES steps (id) ON DELETE SET NULL,
    run_id TEXT REFERENCES runs (id) ON DELETE SET NULL,
    is_err BOOLEAN,
    -- The text that full-text search looks at; null for messages that are not searched.
    search_text TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX messages_by_organization ON messages (organization_id, sequence_id);
CREATE INDEX messages_by_agent ON messages (agent_id, sequence_id);
CREATE INDEX messages_by_conversation ON messages (conversation_id, sequence_id);
CREATE INDEX messages_by_run ON messages (run_id, sequence_id);
CREATE INDEX messages_by_step ON messages (step_id, sequence_id);

-- The index holds no copy of the text: the triggers keep it in step with the table.
CREATE VIRTUAL TABLE messages_fts USING fts5 (
    search_text,
    content = 'messages',
    content_rowid = 'sequence_id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages WHEN new.search_text IS NOT NULL BEGIN
    INSERT INTO messages_fts (rowid, search_text) VALUES (new.sequence_id, new.search_text);
END;
CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages WHEN old.search_text IS NOT NULL BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, search_text) VALUES ('delete', old.sequence_id, old.search_text);
END;
CREATE TRIGGER messages_fts_update AFTER UPDATE OF search_text ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, search_text)
        SELECT 'delete', old.sequence_id, old.search_text WHERE old.search_text IS NOT NULL;
    INSERT INTO messages_fts (rowid, search_text)
        SELECT new.sequence_id, new.search_text WHERE new.search_text IS NOT NULL;
END;

-- Who may write to a message history at the moment.
CREATE TABLE history_leases (
    key TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    token TEXT NOT NULL,
    lease_until TIMESTAMP NOT NULL
);
