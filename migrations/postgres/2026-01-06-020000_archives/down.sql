DROP TABLE passages_tags;
DROP TABLE passages;
DROP TABLE archives_agents;
DROP TABLE archives;
