// Conversations and their messages, on both databases.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { UNKNOWN, createAgent, kinds, onEachDatabase } from './harness.mjs';

const PAST = [
  { role: 'user', content: 'Do you have marmalade?', created_at: '2024-05-01T10:00:00Z' },
  { role: 'assistant', content: 'Of course.', created_at: '2024-05-01T10:00:01Z' },
];

await onEachDatabase(({ client }) => {
  let agent;

  before(async () => {
    agent = await createAgent(client);
  });

  test('a conversation lives its whole life', async () => {
    const made = await client.conversations.create({
      agent_id: agent.id,
      summary: 'Colours',
      isolated_block_labels: ['human'],
    });
    assert.equal(made.in_context_message_ids.length, 1);
    assert.equal(made.isolated_block_ids.length, 1);
    assert.deepEqual(await client.conversations.retrieve(made.id), made);
    const changed = await client.conversations.update(made.id, { summary: 'Shades', model: 'openai/gpt-4o-mini' });
    assert.deepEqual([changed.summary, changed.model], ['Shades', 'openai/gpt-4o-mini']);
    const found = await client.conversations.list({ agent_id: agent.id, summary_search: 'SHADE', order_by: 'last_message_at' });
    assert.deepEqual(found.map((conversation) => conversation.id), [made.id]);
    await client.conversations.delete(made.id);
    await assert.rejects(client.conversations.retrieve(made.id), Letta.NotFoundError);
    await assert.rejects(client.conversations.create({ agent_id: `agent-${UNKNOWN}` }), Letta.NotFoundError);
    await assert.rejects(client.conversations.create({ agent_id: agent.id, model: 'x' }), Letta.BadRequestError);
  });

  test('histories are compacted alone', async () => {
    const made = await client.conversations.create({ agent_id: agent.id, messages: [...PAST, ...PAST] });
    const compacted = await client.conversations.messages.compact(made.id, { compaction_settings: { mode: 'all' } });
    assert.deepEqual([compacted.num_messages_before, compacted.num_messages_after], [5, 2]);
    assert.equal((await client.conversations.retrieve(made.id)).in_context_message_ids.length, 2);
    assert.equal((await client.agents.messages.compact(agent.id)).summary, '');
    await assert.rejects(client.agents.messages.compact(`agent-${UNKNOWN}`), Letta.NotFoundError);
  });

  test('a past is moved in, read, forked and shown with the memory of today', async () => {
    const made = await client.conversations.create({ agent_id: agent.id, messages: PAST });
    const listed = (await client.conversations.messages.list(made.id)).getPaginatedItems();
    assert.deepEqual(kinds(listed), ['assistant_message', 'user_message', 'system_message']);
    assert.equal(listed[0].content, 'Of course.');

    const fork = await client.conversations.fork(made.id);
    assert.deepEqual(fork.in_context_message_ids.slice(1), made.in_context_message_ids.slice(1));
    assert.notEqual(fork.in_context_message_ids[0], made.in_context_message_ids[0]);
    const ofDefault = await client.conversations.fork('default', { agent_id: agent.id });
    assert.equal(ofDefault.in_context_message_ids.length, 1);

    await client.agents.blocks.update('human', { agent_id: agent.id, value: 'Likes marmalade.' });
    const shown = await client.conversations.recompile(made.id, { dry_run: true });
    assert.match(shown, /Likes marmalade\./);
    assert.equal(await client.conversations.recompile(made.id), shown);
    await assert.rejects(client.conversations.messages.list(`conv-${UNKNOWN}`), Letta.NotFoundError);
  });
});
