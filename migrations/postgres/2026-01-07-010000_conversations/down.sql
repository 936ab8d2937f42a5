DROP TABLE conversations_blocks;
DROP TABLE conversation_messages;
DROP TABLE conversations;
