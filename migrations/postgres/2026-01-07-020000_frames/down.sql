DROP TABLE run_otids;
DROP TABLE run_frames;
