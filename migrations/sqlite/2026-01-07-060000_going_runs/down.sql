DROP INDEX runs_going_by_agent;
