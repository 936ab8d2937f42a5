-- Folders, which the older routes call sources.
CREATE TABLE sources (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    instructions TEXT,
    metadata JSON,
    embedding_config JSON NOT NULL,
    vector_db_provider TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C",
    UNIQUE (organization_id, name)
);
CREATE INDEX sources_by_age ON sources (organization_id, created_at, id);

CREATE TABLE sources_agents (
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    source_id TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (agent_id, source_id)
);
CREATE INDEX sources_agents_by_source ON sources_agents (source_id, agent_id);

CREATE TABLE files (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    source_id TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    file_name TEXT,
    original_file_name TEXT,
    file_path TEXT,
    file_type TEXT,
    file_size BIGINT,
    file_creation_date TEXT,
    file_last_modified_date TEXT,
    processing_status TEXT NOT NULL,
    error_message TEXT,
    total_chunks BIGINT,
    chunks_embedded BIGINT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C"
);
CREATE INDEX files_by_age ON files (source_id, created_at, id);
CREATE INDEX files_by_original_name ON files (source_id, original_file_name);

-- The texts of files, apart from the rows that lists read.
CREATE TABLE file_contents (
    file_id TEXT COLLATE "C" PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
    text TEXT NOT NULL
);

CREATE TABLE files_agents (
    id TEXT COLLATE "C" PRIMARY KEY,
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    file_id TEXT COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    source_id TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    -- The name of the file, kept here because it is unique within an agent.
    file_name TEXT NOT NULL,
    is_open BOOLEAN NOT NULL,
    -- What the agent sees of the file while it is open.
    visible_content TEXT,
    last_accessed_at TIMESTAMP NOT NULL,
    start_line BIGINT,
    end_line BIGINT,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (agent_id, file_id),
    UNIQUE (agent_id, file_name)
);
CREATE INDEX files_agents_by_age ON files_agents (agent_id, created_at, id);
CREATE INDEX files_agents_by_file ON files_agents (file_id, agent_id);
CREATE INDEX files_agents_by_source ON files_agents (source_id, agent_id);
