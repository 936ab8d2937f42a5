ALTER TABLE history_leases ADD COLUMN token TEXT NOT NULL DEFAULT '';
UPDATE history_leases SET token = run_id;
