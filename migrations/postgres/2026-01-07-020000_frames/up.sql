-- The streams of background runs, kept so that clients can read them while and after they come.
CREATE TABLE run_frames (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- The place in the stream, from 1, without gaps.
    seq BIGINT NOT NULL,
    -- The frame as it is sent.
    record TEXT NOT NULL,
    -- Whether it is the last one.
    terminal BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX run_frames_ended ON run_frames (created_at, run_id) WHERE terminal;

-- Which run a request has made, known by the ids that its client gave it.
CREATE TABLE run_otids (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    history_key TEXT COLLATE "C" NOT NULL,
    token TEXT COLLATE "C" NOT NULL,
    -- May be claimed before the run's own row is written, in the same transaction.
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (organization_id, history_key, token)
);
CREATE INDEX run_otids_by_run ON run_otids (run_id);
CREATE INDEX run_otids_by_age ON run_otids (created_at);

-- The few runs of a history that are going, among the many that have ended.
CREATE INDEX runs_going ON runs (history_key, created_at, id) WHERE status IN ('created', 'running');
