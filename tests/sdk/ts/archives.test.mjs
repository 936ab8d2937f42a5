// Archives, their passages and the archival memory of agents, on both databases.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { UNKNOWN, collect, createAgent, onEachDatabase } from './harness.mjs';

await onEachDatabase(({ client }) => {
  test('an archive lives its whole life', async () => {
    const archive = await client.archives.create({ name: 'Notes', description: 'What to keep.' });
    assert.equal((await client.archives.retrieve(archive.id)).name, 'Notes');
    assert.equal((await client.archives.update(archive.id, { name: 'Papers' })).description, 'What to keep.');
    const listed = await collect(client.archives.list({ name: 'Papers', limit: 1 }));
    assert.deepEqual(listed.map((other) => other.id), [archive.id]);
    await client.archives.delete(archive.id);
    await assert.rejects(client.archives.retrieve(archive.id), Letta.NotFoundError);
    await assert.rejects(client.archives.retrieve('archive-1'), Letta.UnprocessableEntityError);
    await assert.rejects(client.archives.create({ name: 'x', embedding: 'openai/none' }), Letta.BadRequestError);
  });

  test('passages go into an archive and out of it', async () => {
    const archive = await client.archives.create({ name: 'Facts' });
    const passage = await client.archives.passages.create(archive.id, { text: 'Water is wet.', tags: ['b', 'a'] });
    assert.deepEqual(passage.tags, ['b', 'a']);
    const many = { passages: [{ text: 'Ice is cold.' }, { text: 'Fire is hot.' }] };
    const more = await client.archives.passages.createMany(archive.id, many);
    assert.deepEqual(more.map((other) => other.text), ['Ice is cold.', 'Fire is hot.']);
    const found = await client.passages.search({ query: 'ice', archive_id: archive.id });
    assert.deepEqual(found.map((result) => result.passage.text), ['Ice is cold.']);
    await client.archives.passages.delete(passage.id, { archive_id: archive.id });
    const again = client.archives.passages.delete(passage.id, { archive_id: archive.id });
    await assert.rejects(again, Letta.NotFoundError);
  });

  test('an agent keeps, finds and forgets, and shares its archive', async () => {
    const agent = await createAgent(client);
    const [passage] = await client.agents.passages.create(agent.id, { text: 'The cat is Musti.', tags: ['cat'] });
    await client.agents.passages.create(agent.id, { text: 'The dog is Rex.' });
    const texts = (await client.agents.passages.list(agent.id)).map((other) => other.text);
    assert.deepEqual(texts, ['The cat is Musti.', 'The dog is Rex.']);
    const found = await client.agents.passages.search(agent.id, { query: 'cat', tags: ['cat', 'pet'] });
    assert.deepEqual([found.count, found.results[0].content], [1, 'The cat is Musti.']);

    const [archive] = await collect(client.archives.list({ agent_id: agent.id }));
    const other = await createAgent(client);
    await client.agents.archives.attach(archive.id, { agent_id: other.id });
    assert.equal((await client.agents.passages.list(other.id)).length, 2);
    const second = await client.archives.create({ name: 'Second' });
    const refused = client.agents.archives.attach(second.id, { agent_id: other.id });
    await assert.rejects(refused, Letta.ConflictError);
    await client.agents.archives.detach(archive.id, { agent_id: other.id });
    assert.deepEqual(await client.agents.passages.list(other.id), []);

    await client.agents.passages.delete(passage.id, { agent_id: agent.id });
    assert.equal((await client.agents.passages.list(agent.id)).length, 1);
    await assert.rejects(client.agents.passages.list(`agent-${UNKNOWN}`), Letta.NotFoundError);
  });
});
