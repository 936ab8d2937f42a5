DROP INDEX runs_going;
DROP TABLE run_otids;
DROP TABLE run_frames;
