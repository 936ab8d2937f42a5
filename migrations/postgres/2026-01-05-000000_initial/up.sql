-- Ids and tags compare by code point, as on SQLite, whatever the collation of the database is.

CREATE TABLE organizations (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    privileged_tools BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX organizations_by_age ON organizations (created_at, id);

CREATE TABLE users (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    timezone TEXT NOT NULL DEFAULT 'UTC',
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX users_by_age ON users (created_at, id);
CREATE INDEX users_by_organization ON users (organization_id);

CREATE TABLE agents (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_type TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    system TEXT NOT NULL,
    -- The messages in context, oldest first; the first one is the compiled system message.
    message_ids JSON NOT NULL,
    metadata JSON,
    llm_config JSON NOT NULL,
    embedding_config JSON,
    compaction_settings JSON,
    response_format JSON,
    tool_rules JSON NOT NULL,
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
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C"
);
CREATE INDEX agents_by_age ON agents (organization_id, created_at, id);
CREATE INDEX agents_by_update ON agents (organization_id, updated_at, id);
CREATE INDEX agents_by_last_run ON agents (organization_id, last_run_completion, id);
-- Those that never ran come last in either direction, and an index has them at the end it was made with.
CREATE INDEX agents_by_last_run_desc ON agents (organization_id, last_run_completion DESC NULLS LAST, id DESC);
CREATE INDEX agents_by_name ON agents (organization_id, name);
CREATE INDEX agents_by_creator ON agents (organization_id, created_by_id);
CREATE INDEX agents_by_deployment ON agents (organization_id, deployment_id);
CREATE INDEX agents_by_project ON agents (organization_id, project_id);

CREATE TABLE agents_tags (
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    tag TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, tag)
);
CREATE INDEX agents_tags_by_tag ON agents_tags (organization_id, tag, agent_id);

CREATE TABLE blocks (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    value TEXT NOT NULL,
    char_limit BIGINT NOT NULL,
    description TEXT,
    read_only BOOLEAN NOT NULL DEFAULT FALSE,
    metadata JSON,
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
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C"
);
CREATE INDEX blocks_by_age ON blocks (organization_id, created_at, id);
CREATE INDEX blocks_by_label ON blocks (organization_id, label);
CREATE INDEX blocks_by_deployment ON blocks (organization_id, deployment_id);
CREATE INDEX blocks_by_project ON blocks (organization_id, project_id);

CREATE TABLE blocks_tags (
    block_id TEXT COLLATE "C" NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    tag TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (block_id, tag)
);
CREATE INDEX blocks_tags_by_tag ON blocks_tags (organization_id, tag, block_id);

CREATE TABLE blocks_agents (
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    block_id TEXT COLLATE "C" NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    -- The label of the block, kept here because it is unique within an agent.
    label TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, block_id),
    UNIQUE (agent_id, label)
);
CREATE INDEX blocks_agents_by_block ON blocks_agents (block_id, agent_id);

CREATE TABLE tools (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    tool_type TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    source_type TEXT,
    source_code TEXT,
    json_schema JSON,
    args_json_schema JSON,
    return_char_limit BIGINT NOT NULL,
    pip_requirements JSON,
    npm_requirements JSON,
    tags JSON NOT NULL,
    default_requires_approval BOOLEAN,
    enable_parallel_execution BOOLEAN,
    metadata JSON,
    project_id TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C",
    UNIQUE (organization_id, name)
);
CREATE INDEX tools_by_age ON tools (organization_id, created_at, id);

CREATE TABLE tools_agents (
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    tool_id TEXT COLLATE "C" NOT NULL REFERENCES tools (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, tool_id)
);
CREATE INDEX tools_agents_by_tool ON tools_agents (tool_id, agent_id);

CREATE TABLE agent_environment_variables (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value_enc TEXT NOT NULL,
    description TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C",
    UNIQUE (agent_id, key)
);

CREATE TABLE runs (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    conversation_id TEXT COLLATE "C",
    project_id TEXT,
    template_id TEXT,
    base_template_id TEXT,
    status TEXT NOT NULL,
    background BOOLEAN,
    metadata JSON,
    request_config JSON,
    stop_reason TEXT,
    callback_url TEXT,
    callback_sent_at TIMESTAMP,
    callback_status_code INTEGER,
    callback_error TEXT,
    ttft_ns BIGINT,
    total_duration_ns BIGINT,
    run_start_ns BIGINT,
    num_steps INTEGER NOT NULL DEFAULT 0,
    tools_used JSON,
    -- The message history the run works on: its conversation, or its agent for the default history.
    history_key TEXT COLLATE "C" NOT NULL,
    -- Input that was accepted and is not in the history yet.
    pending_input JSON,
    -- Whether the client has been told that the input is taken.
    accepted BOOLEAN NOT NULL DEFAULT FALSE,
    node_id TEXT,
    lease_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    completed_at TIMESTAMP,
    created_by_id TEXT COLLATE "C"
);
CREATE INDEX runs_by_age ON runs (organization_id, created_at, id);
CREATE INDEX runs_by_agent ON runs (agent_id, created_at, id);
CREATE INDEX runs_by_conversation ON runs (conversation_id, created_at, id);
CREATE INDEX runs_by_history ON runs (history_key, created_at, id);
CREATE INDEX runs_by_status ON runs (status, lease_until);

CREATE TABLE steps (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT COLLATE "C" REFERENCES agents (id) ON DELETE CASCADE,
    run_id TEXT COLLATE "C" REFERENCES runs (id) ON DELETE SET NULL,
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
    completion_tokens_details JSON,
    prompt_tokens_details JSON,
    stop_reason TEXT,
    tags JSON NOT NULL,
    tid TEXT,
    trace_id TEXT,
    request_id TEXT,
    feedback TEXT,
    error_type TEXT,
    error_data JSON,
    status TEXT NOT NULL,
    -- What the step has done so far, from which it is continued or settled after a crash.
    draft JSON,
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
    sequence_id BIGSERIAL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    conversation_id TEXT COLLATE "C",
    role TEXT NOT NULL,
    content JSON,
    name TEXT,
    model TEXT,
    tool_calls JSON,
    tool_call_id TEXT,
    tool_returns JSON,
    approvals JSON,
    approve BOOLEAN,
    approval_request_id TEXT,
    denial_reason TEXT,
    otid TEXT,
    sender_id TEXT,
    group_id TEXT,
    batch_item_id TEXT,
    step_id TEXT COLLATE "C" REFERENCES steps (id) ON DELETE SET NULL,
    run_id TEXT COLLATE "C" REFERENCES runs (id) ON DELETE SET NULL,
    is_err BOOLEAN,
    -- The text that full-text search looks at; null for messages that are not searched.
    search_text TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C",
    -- Cut, because a tsvector holds at most a megabyte.
    search_vector TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', left(coalesce(search_text, ''), 200000))) STORED
);
CREATE INDEX messages_by_organization ON messages (organization_id, sequence_id);
CREATE INDEX messages_by_agent ON messages (agent_id, sequence_id);
CREATE INDEX messages_by_conversation ON messages (conversation_id, sequence_id);
CREATE INDEX messages_by_run ON messages (run_id, sequence_id);
CREATE INDEX messages_by_step ON messages (step_id, sequence_id);
CREATE INDEX messages_by_text ON messages USING GIN (search_vector);

-- Who may write to a message history at the moment.
CREATE TABLE history_leases (
    key TEXT COLLATE "C" PRIMARY KEY,
    run_id TEXT COLLATE "C" NOT NULL,
    node_id TEXT NOT NULL,
    token TEXT NOT NULL,
    lease_until TIMESTAMP NOT NULL
);
