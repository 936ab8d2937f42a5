// Tool calls that wait for the client: approved, denied, answered by tools of the client, and given up.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { collect, createAgent, kinds, memoryInsert, onEachDatabase, user } from './harness.mjs';

const TOOL = {
  name: 'read_file',
  description: 'Reads a file of the client.',
  parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
};

const insert = (id) => memoryInsert('Likes green.', id);
const look = (id) => ({ id, name: 'conversation_search', arguments: { query: 'anything' } });
const approve = (id) => ({ type: 'approval', tool_call_id: id, approve: true });
const deny = (id, reason) => ({ type: 'approval', tool_call_id: id, approve: false, reason });
const gave = (id, tool_return, status = 'success') => ({ type: 'tool', tool_call_id: id, tool_return, status });
const answer = (...approvals) => [{ type: 'approval', approvals }];
const callIds = (message) => (message.tool_calls ?? message.tool_returns).map((call) => call.tool_call_id);

await onEachDatabase(({ client, model }) => {
  let agent;

  beforeEach(async () => {
    agent = await createAgent(client, {
      memory_blocks: [{ label: 'human', value: '' }],
      parallel_tool_calls: true,
      include_base_tool_rules: false,
      tool_rules: [{ type: 'requires_approval', tool_name: 'memory_insert' }],
    });
  });

  const memory = async () => (await client.agents.blocks.retrieve('human', { agent_id: agent.id })).value;

  /** The default history of the agent, and a conversation, each with the methods to send to it. */
  const talks = async () => {
    const conversation = await client.conversations.create({ agent_id: agent.id });
    return [
      {
        name: 'agent',
        send: (messages, more) => client.agents.messages.create(agent.id, { messages, ...more }),
        cancel: () => client.agents.messages.cancel(agent.id),
        reset: () => client.post(`/v1/agents/${agent.id}/messages/reset-pending`),
      },
      {
        name: 'conversation',
        // The SDK's method for conversations knows streams alone.
        send: (messages, more) =>
          client.post(`/v1/conversations/${conversation.id}/messages`, { body: { messages, streaming: false, ...more } }),
        cancel: () => client.conversations.cancel(conversation.id),
        reset: () => client.post(`/v1/conversations/${conversation.id}/reset-pending`),
      },
    ];
  };

  test('calls are approved, denied and answered in one message', async () => {
    for (const { name, send } of await talks()) {
      const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((call) => `${name}_${call}`);
      await model.say({ tool_calls: [insert(a), look(b), insert(c), insert(d)] }, { text: 'Done.' });
      const paused = await send(user('I like green.'));
      assert.equal(paused.stop_reason.stop_reason, 'requires_approval');
      assert.deepEqual(kinds(paused.messages), ['tool_call_message', 'approval_request_message']);
      assert.deepEqual(callIds(paused.messages[1]), [a, c, d]);
      const resumed = await send(answer(approve(a), deny(c, 'Not twice.'), gave(d, 'I did it.')));
      assert.deepEqual(kinds(resumed.messages), ['tool_return_message', 'assistant_message']);
      assert.deepEqual(callIds(resumed.messages[0]), [d, c, a, b]);
      const statuses = resumed.messages[0].tool_returns.map((tool) => tool.status);
      assert.deepEqual(statuses, ['success', 'error', 'success', 'success']);
      assert.equal((await send(answer(approve(a)))).stop_reason.stop_reason, 'end_turn', 'a repeat is known');
    }
    assert.equal(await memory(), 'Likes green.\nLikes green.');
  });

  test('streams pause, show what still waits, and go on', async () => {
    for (const stream_tokens of [false, true]) {
      const [a, b] = ['a', 'b'].map((call) => `${stream_tokens}_${call}`);
      await model.say({ tool_calls: [insert(a), insert(b)] }, { text: 'Noted.' });
      const stream = (messages) =>
        collect(client.agents.messages.stream(agent.id, { messages, stream_tokens, include_pings: false }));
      const paused = await stream(user('I like green.'));
      assert.equal(paused.at(-2).stop_reason, 'requires_approval');
      const part = await stream(answer(deny(a, 'No.')));
      assert.deepEqual(kinds(part), ['approval_request_message', 'stop_reason', 'usage_statistics']);
      assert.deepEqual(callIds(part[0]), [b]);
      assert.equal(part[0].id, paused.find((event) => event.message_type === 'approval_request_message').id);
      const resumed = await stream(answer(approve(b)));
      assert.deepEqual(callIds(resumed[0]), [a, b]);
      assert.equal(resumed.at(-2).stop_reason, 'end_turn');
    }
  });

  test('whoever cannot go on is told what waits', async () => {
    for (const { name, send } of await talks()) {
      await model.say({ tool_calls: [insert(name)] });
      const request = (await send(user('I like green.'))).messages.at(-1);
      await assert.rejects(send(user('Well?')), (error) => {
        const { code, pending_request_id, pending_tool_call_ids, run_id } = error.error.detail;
        assert.ok(error instanceof Letta.ConflictError);
        assert.deepEqual([code, pending_request_id], ['PENDING_APPROVAL', request.id]);
        assert.deepEqual([pending_tool_call_ids, run_id], [[name], request.run_id]);
        return true;
      });
      await assert.rejects(send(answer(approve('x'))), (error) => {
        assert.ok(error instanceof Letta.BadRequestError);
        assert.deepEqual(error.error.pending_tool_call_ids, [name]);
        return true;
      });
    }
  });

  test('what waits is cancelled, reset or passed over', async () => {
    for (const { name, send, cancel, reset } of await talks()) {
      await model.say({ tool_calls: [insert(`${name}_1`)] }, { text: 'As you wish.' });
      const run = (await send(user('I like green.'))).messages.at(-1).run_id;
      assert.deepEqual(await cancel(), { [run]: 'cancelled' });
      assert.equal((await send(user('And now?'))).messages.at(-1).content, 'As you wish.');
      await model.say({ tool_calls: [insert(`${name}_2`)] }, { text: 'As you wish.' });
      await send(user('I like green.'));
      assert.deepEqual((await reset()).pending_tool_call_ids, [`${name}_2`]);
      assert.equal((await send(user('And now?'))).messages.at(-1).content, 'As you wish.');
      assert.equal((await reset()).pending_request_id, null);
    }
    await model.say({ tool_calls: [insert('3')] }, { text: 'Very well.' });
    await client.agents.messages.create(agent.id, { messages: user('I like green.') });
    const headers = { 'x-muisti-on-pending': 'deny' };
    const passed = await client.agents.messages.create(agent.id, { messages: user('Never mind.') }, { headers });
    assert.equal(passed.messages.at(-1).content, 'Very well.');
    assert.equal(await memory(), '');
  });

  test('the client runs tools of its own', async () => {
    for (const { name, send } of await talks()) {
      const client_tools = [TOOL];
      await model.say({ tool_calls: [{ id: name, name: 'read_file', arguments: { path: 'a.txt' } }] }, { text: 'Hello.' });
      const paused = await send(user('Read it.'), { client_tools });
      assert.equal(paused.messages.at(-1).tool_call.name, 'read_file');
      const returned = [{ type: 'tool_return', tool_returns: [gave(name, 'no such file', 'error')] }];
      const resumed = await send(returned, { client_tools });
      assert.deepEqual([resumed.messages[0].tool_return, resumed.messages[0].status], ['no such file', 'error']);
      assert.equal(resumed.stop_reason.stop_reason, 'end_turn');
    }
  });
});
