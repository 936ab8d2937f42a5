CREATE TABLE identities (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- The client's own key.
    identifier_key TEXT NOT NULL,
    name TEXT NOT NULL,
    identity_type TEXT NOT NULL,
    project_id TEXT,
    properties TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT,
    UNIQUE (organization_id, identifier_key, project_id)
);
-- No project is one project more, in which a key is unique too.
CREATE UNIQUE INDEX identities_by_key ON identities (organization_id, identifier_key) WHERE project_id IS NULL;
CREATE INDEX identities_by_age ON identities (organization_id, created_at, id);

CREATE TABLE identities_agents (
    identity_id TEXT NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (identity_id, agent_id)
);
CREATE INDEX identities_agents_by_agent ON identities_agents (agent_id, identity_id);

CREATE TABLE identities_blocks (
    identity_id TEXT NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    block_id TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (identity_id, block_id)
);
CREATE INDEX identities_blocks_by_block ON identities_blocks (block_id, identity_id);

CREATE TABLE groups (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    manager_type TEXT NOT NULL,
    description TEXT NOT NULL,
    project_id TEXT,
    template_id TEXT,
    base_template_id TEXT,
    deployment_id TEXT,
    -- An agent cannot be deleted while it manages a group.
    manager_agent_id TEXT REFERENCES agents (id),
    termination_token TEXT,
    max_turns BIGINT,
    sleeptime_agent_frequency BIGINT,
    turns_counter BIGINT,
    last_processed_message_id TEXT,
    max_message_buffer_length BIGINT,
    min_message_buffer_length BIGINT,
    hidden BOOLEAN,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX groups_by_age ON groups (organization_id, created_at, id);
CREATE INDEX groups_by_deployment ON groups (organization_id, deployment_id);
CREATE INDEX groups_by_manager ON groups (manager_agent_id, created_at, id);

CREATE TABLE groups_agents (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (group_id, agent_id)
);
CREATE INDEX groups_agents_by_agent ON groups_agents (agent_id, group_id);

CREATE TABLE groups_blocks (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    block_id TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (group_id, block_id)
);
CREATE INDEX groups_blocks_by_block ON groups_blocks (block_id, group_id);

CREATE INDEX messages_by_group ON messages (group_id, sequence_id) WHERE group_id IS NOT NULL;
