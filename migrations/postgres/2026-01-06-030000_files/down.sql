DROP TABLE files_agents;
DROP TABLE file_contents;
DROP TABLE files;
DROP TABLE sources_agents;
DROP TABLE sources;
