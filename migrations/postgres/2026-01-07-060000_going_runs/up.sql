-- What an agent is doing at this moment, however many runs it has had.
CREATE INDEX runs_going_by_agent ON runs (agent_id, created_at, id) WHERE status IN ('created', 'running');
