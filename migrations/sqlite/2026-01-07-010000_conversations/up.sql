-- Histories of an agent beside its default one.
CREATE TABLE conversations (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    summary TEXT,
    description TEXT,
    -- Whether lists leave it out.
    hidden BOOLEAN NOT NULL,
    -- When it was put aside; null for those that are not.
    archived_at TIMESTAMP,
    model TEXT,
    model_settings TEXT,
    -- Tokens; null for as many as the agent has.
    context_window_limit BIGINT,
    last_message_at TIMESTAMP,
    -- When the last of its runs to end ended.
    last_run_completion TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX conversations_by_age ON conversations (organization_id, created_at, id);
CREATE INDEX conversations_by_message ON conversations (organization_id, last_message_at, id);
CREATE INDEX conversations_by_run ON conversations (organization_id, last_run_completion, id);
CREATE INDEX conversations_by_agent ON conversations (agent_id, created_at, id);
CREATE INDEX conversations_by_agent_message ON conversations (agent_id, last_message_at, id);
CREATE INDEX conversations_by_agent_run ON conversations (agent_id, last_run_completion, id);

-- The messages of conversations; forks share them.
CREATE TABLE conversation_messages (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    -- The order in which they came, and are listed. It never changes.
    position BIGINT NOT NULL,
    -- The order in which the model sees them; null for those that it does not see.
    context_position BIGINT,
    PRIMARY KEY (conversation_id, message_id),
    UNIQUE (conversation_id, position)
);
CREATE INDEX conversation_messages_in_context ON conversation_messages (conversation_id, context_position)
    WHERE context_position IS NOT NULL;
CREATE INDEX conversation_messages_by_message ON conversation_messages (message_id, conversation_id);

-- The blocks that a conversation has in place of the agent's with the same labels.
CREATE TABLE conversations_blocks (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    block_id TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (conversation_id, block_id)
);
CREATE INDEX conversations_blocks_by_block ON conversations_blocks (block_id, conversation_id);
