-- A run holds one lease at most, so its id says enough.
ALTER TABLE history_leases DROP COLUMN token;
