// Identities of agents, and agents with a companion that tends their memory, on both databases.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { collect, startModel, startPostgres, startServer } from './harness.mjs';

const UNKNOWN = 'identity-123e4567-e89b-42d3-8456-426614174000';

const model = await startModel();
const postgres = await startPostgres();
if (!postgres) console.log('SKIPPED on PostgreSQL: the machine has none');
after(async () => {
  await model.stop();
  await postgres?.stop();
});

for (const database of postgres ? ['sqlite', 'postgres'] : ['sqlite']) {
  describe(database, () => {
    let server;
    let client;

    before(async () => {
      server = await startServer(model, database === 'postgres' ? await postgres.fresh() : null, {});
      client = server.client;
    });
    after(() => server.stop());

    test('an identity is attached, leads to its agents, and is detached', async () => {
      const body = { identifier_key: `user-${randomUUID()}`, name: 'Ada', identity_type: 'user' };
      const identity = await client.post('/v1/identities/', { body });
      const agent = await client.agents.create({ model: 'openai/gpt-4o-mini' });
      await client.agents.identities.attach(identity.id, { agent_id: agent.id });
      const { identities } = await client.agents.retrieve(agent.id, { include: ['agent.identities'] });
      assert.deepEqual(identities.map((other) => other.name), ['Ada']);
      for (const query of [{ identity_id: identity.id }, { identifier_keys: [body.identifier_key] }]) {
        assert.deepEqual((await collect(client.agents.list(query))).map((found) => found.id), [agent.id]);
      }
      await client.agents.identities.detach(identity.id, { agent_id: agent.id });
      assert.deepEqual(await collect(client.agents.list({ identity_id: identity.id })), []);
      await assert.rejects(client.agents.identities.attach(UNKNOWN, { agent_id: agent.id }), Letta.NotFoundError);
      await assert.rejects(client.post('/v1/identities/', { body }), Letta.ConflictError);
    });

    test('a companion shares the memory of its agent and goes with it', async () => {
      const agent = await client.agents.create({
        model: 'openai/gpt-4o-mini',
        enable_sleeptime: true,
        memory_blocks: [{ label: 'human', value: 'Ada' }],
      });
      const [companion] = agent.multi_agent_group.agent_ids;
      const { blocks, agent_type } = await client.agents.retrieve(companion, { include: ['agent.blocks'] });
      assert.equal(agent_type, 'sleeptime_agent');
      assert.deepEqual(blocks.map((block) => block.label).sort(), ['human', 'memory_persona']);
      await client.agents.delete(agent.id);
      await assert.rejects(client.agents.retrieve(companion), Letta.NotFoundError);
    });
  });
}
