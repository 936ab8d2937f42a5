// Folders with the TypeScript SDK, on their own and on an agent, on both databases.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { EMBEDDING, UNKNOWN, collect, createAgent, onEachDatabase } from './harness.mjs';

await onEachDatabase(({ client }) => {
  const make = (name = randomUUID()) => client.folders.create({ name, embedding: EMBEDDING });

  test('a folder lives its whole life', async () => {
    const folder = await make();
    assert.deepEqual(await client.folders.retrieve(folder.id), folder);
    const changed = await client.folders.update(folder.id, { description: 'What we know.' });
    assert.deepEqual([changed.name, changed.description], [folder.name, 'What we know.']);
    await assert.rejects(make(folder.name), Letta.ConflictError);
    await client.folders.delete(folder.id);
    await assert.rejects(client.folders.retrieve(folder.id), Letta.NotFoundError);
    await assert.rejects(client.folders.retrieve('docs'), Letta.UnprocessableEntityError);
  });

  test('folders page to the end', async () => {
    const prefix = randomUUID();
    const ids = [];
    for (const index of [0, 1, 2, 3, 4]) ids.push((await make(`${prefix}-${index}`)).id);
    const listed = await collect(client.folders.list({ name: prefix, limit: 2 }));
    assert.deepEqual(listed.map((folder) => folder.id), ids);
  });

  test('an agent gets a folder and loses it', async () => {
    const folder = await make();
    const agent = await createAgent(client);
    assert.equal(await client.agents.folders.attach(folder.id, { agent_id: agent.id }), null);
    assert.deepEqual((await collect(client.agents.folders.list(agent.id))).map((other) => other.id), [folder.id]);
    assert.deepEqual(await collect(client.folders.agents.list(folder.id)), [agent.id]);
    assert.deepEqual(await collect(client.folders.files.list(folder.id)), []);
    assert.deepEqual(await collect(client.agents.files.list(agent.id)), []);
    assert.deepEqual(await client.agents.files.closeAll(agent.id), []);
    const unknown = client.agents.files.open(`file-${UNKNOWN}`, { agent_id: agent.id });
    await assert.rejects(unknown, Letta.NotFoundError);
    await client.agents.folders.detach(folder.id, { agent_id: agent.id });
    assert.deepEqual(await collect(client.agents.folders.list(agent.id)), []);
  });
});
