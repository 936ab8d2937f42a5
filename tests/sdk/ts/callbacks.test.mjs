// Background runs and who hears of their end, and images in messages, on both databases.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { before, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { collect, createAgent, kinds, onEachDatabase, runWhen, user } from './harness.mjs';

// The smallest thing that begins like an image.
const PNG = 'iVBORw0KGgo=';

await onEachDatabase(({ client, model }) => {
  let agent;

  before(async () => {
    agent = await createAgent(client);
  });

  test('the end of a background run is posted', async () => {
    const posted = [];
    const receiver = createServer(async (request, response) => {
      posted.push(JSON.parse(Buffer.concat(await request.toArray())));
      response.writeHead(202).end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    await model.say({ text: 'I am here.', delay_ms: 200 });
    const started = await client.agents.messages.createAsync(agent.id, {
      messages: user('Are you there?'),
      callback_url: `http://127.0.0.1:${receiver.address().port}/done`,
    });
    assert.equal(started.background, true);
    const run = await runWhen(client, started.id, ({ callback_sent_at: sent }) => sent);
    receiver.close();
    receiver.closeAllConnections();
    assert.deepEqual([run.status, run.callback_status_code], ['completed', 202]);
    const messages = await collect(client.runs.messages.list(run.id));
    assert.deepEqual(kinds(messages), ['user_message', 'assistant_message']);
    assert.equal(posted.length, 1);
    assert.equal(posted[0].run_id, run.id);
    assert.deepEqual(posted[0].metadata.result.messages.map((message) => message.id), messages.map((message) => message.id));
  });

  test('an address that cannot be called is refused', async () => {
    const request = { messages: user('Hi'), callback_url: 'file:///etc/passwd' };
    await assert.rejects(client.agents.messages.createAsync(agent.id, request), Letta.UnprocessableEntityError);
  });

  test('an image is kept with its message', async () => {
    await model.say({ text: 'I see.' });
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } };
    await client.agents.messages.create(agent.id, { messages: [{ role: 'user', content: [image] }] });
    const listed = await collect(client.agents.messages.list(agent.id));
    const { source } = listed.filter((message) => message.message_type === 'user_message').at(-1).content[0];
    assert.deepEqual([source.type, source.data], ['letta', PNG]);
    const local = { type: 'image', source: { type: 'url', url: 'file:///etc/passwd' } };
    const request = { messages: [{ role: 'user', content: [local] }] };
    await assert.rejects(client.agents.messages.create(agent.id, request), Letta.BadRequestError);
  });
}, { MUISTI_ALLOW_PRIVATE_ADDRESSES: 'true' });
