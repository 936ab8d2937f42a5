CREATE TABLE archives (
    id TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    -- The model that its passages are meant for, whatever the agents that use it have; it never changes.
    embedding_config JSON,
    metadata JSON,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C"
);
CREATE INDEX archives_by_age ON archives (organization_id, created_at, id);

CREATE TABLE archives_agents (
    -- An agent has one archive at most.
    agent_id TEXT COLLATE "C" PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    archive_id TEXT COLLATE "C" NOT NULL REFERENCES archives (id) ON DELETE CASCADE,
    -- Whether the archive was made for this agent.
    is_owner BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX archives_agents_by_archive ON archives_agents (archive_id, agent_id);

CREATE TABLE passages (
    sequence_id BIGSERIAL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    archive_id TEXT COLLATE "C" NOT NULL REFERENCES archives (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    metadata JSON,
    -- The tags as they are answered, null if there never were any; those that are searched are in passages_tags.
    tags JSON,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT COLLATE "C",
    last_updated_by_id TEXT COLLATE "C",
    -- Cut, because a tsvector holds at most a megabyte.
    search_vector TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', left(text, 200000))) STORED
);
CREATE INDEX passages_by_organization ON passages (organization_id, created_at, id);
CREATE INDEX passages_by_archive ON passages (archive_id, created_at, id);
CREATE INDEX passages_by_text ON passages USING GIN (search_vector);

CREATE TABLE passages_tags (
    passage_id TEXT COLLATE "C" NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
    tag TEXT COLLATE "C" NOT NULL,
    archive_id TEXT COLLATE "C" NOT NULL REFERENCES archives (id) ON DELETE CASCADE,
    PRIMARY KEY (passage_id, tag)
);
CREATE INDEX passages_tags_by_tag ON passages_tags (archive_id, tag, passage_id);
