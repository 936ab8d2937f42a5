CREATE TABLE archives (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    -- The model that its passages are meant for, whatever the agents that use it have; it never changes.
    embedding_config TEXT,
    metadata TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX archives_by_age ON archives (organization_id, created_at, id);

CREATE TABLE archives_agents (
    -- An agent has one archive at most.
    agent_id TEXT NOT NULL PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    archive_id TEXT NOT NULL REFERENCES archives (id) ON DELETE CASCADE,
    -- Whether the archive was made for this agent.
    is_owner BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX archives_agents_by_archive ON archives_agents (archive_id, agent_id);

CREATE TABLE passages (
    -- What the full-text index knows the passage by.
    sequence_id INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    archive_id TEXT NOT NULL REFERENCES archives (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    metadata TEXT,
    -- The tags as they are answered, null if there never were any; those that are searched are in passages_tags.
    tags TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    created_by_id TEXT,
    last_updated_by_id TEXT
);
CREATE INDEX passages_by_organization ON passages (organization_id, created_at, id);
CREATE INDEX passages_by_archive ON passages (archive_id, created_at, id);

CREATE TABLE passages_tags (
    passage_id TEXT NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    archive_id TEXT NOT NULL REFERENCES archives (id) ON DELETE CASCADE,
    PRIMARY KEY (passage_id, tag)
);
CREATE INDEX passages_tags_by_tag ON passages_tags (archive_id, tag, passage_id);

-- The index holds no copy of the text: the triggers keep it in step with the table.
CREATE VIRTUAL TABLE passages_fts USING fts5 (
    text,
    content = 'passages',
    content_rowid = 'sequence_id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER passages_fts_insert AFTER INSERT ON passages BEGIN
    INSERT INTO passages_fts (rowid, text) VALUES (new.sequence_id, new.text);
END;
CREATE TRIGGER passages_fts_delete AFTER DELETE ON passages BEGIN
    INSERT INTO passages_fts (passages_fts, rowid, text) VALUES ('delete', old.sequence_id, old.text);
END;
CREATE TRIGGER passages_fts_update AFTER UPDATE OF text ON passages BEGIN
    INSERT INTO passages_fts (passages_fts, rowid, text) VALUES ('delete', old.sequence_id, old.text);
    INSERT INTO passages_fts (rowid, text) VALUES (new.sequence_id, new.text);
END;
