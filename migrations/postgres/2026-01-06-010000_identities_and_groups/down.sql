DROP INDEX messages_by_group;
DROP TABLE groups_blocks;
DROP TABLE groups_agents;
DROP TABLE groups;
DROP TABLE identities_blocks;
DROP TABLE identities_agents;
DROP TABLE identities;
