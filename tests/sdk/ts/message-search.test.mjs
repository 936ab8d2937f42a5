// Messages of all agents, found by what they say with the TypeScript SDK, on both databases.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { createAgent, kinds, onEachDatabase } from './harness.mjs';

await onEachDatabase(({ client }) => {
  test('what was said is found in each mode, and within times', async () => {
    const word = `w${randomUUID().replaceAll('-', '')}`;
    const agent = await createAgent(client);
    await client.agents.messages.create(agent.id, { input: `Do you like ${word}?` });
    for (const search_mode of ['fts', 'vector', 'hybrid']) {
      const found = await client.messages.search({ query: word, search_mode });
      assert.deepEqual(kinds(found), ['user_message']);
      assert.equal(found[0].content, `Do you like ${word}?`);
      assert.equal(found[0].agent_id, agent.id);
      const { created_at: time } = found[0];
      assert.deepEqual(await client.messages.search({ query: word, start_date: time }), []);
      assert.deepEqual(await client.messages.search({ query: word, end_date: time }), found);
    }
    assert.deepEqual(await client.messages.search({ query: 'zebra', agent_id: agent.id }), []);
    await assert.rejects(client.messages.search({ query: word, limit: 101 }), Letta.UnprocessableEntityError);
  });
});
