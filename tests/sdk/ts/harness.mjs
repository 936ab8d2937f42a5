// Starts what the tests drive — the built server, the scripted model, a throw-away PostgreSQL — and what they share.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import Letta from '@letta-ai/letta-client';

const ROOT = resolve(import.meta.dirname, '../../..');
const FOREIGN = ['OPENAI_', 'OLLAMA_', 'LETTA_', 'MUISTI_', 'ANTHROPIC_'];
const CI = ['true', '1'].includes(process.env.CI);

/** A built program: named by its variable, or the newest of the debug and release builds. */
function binary(name, variable) {
  if (process.env[variable]) return resolve(process.env[variable]);
  const builds = ['debug', 'release'].map((profile) => join(ROOT, 'target', profile, name)).filter((path) => existsSync(path));
  if (builds.length === 0) throw new Error(`${name} is not built: run \`cargo build -p muisti-api -p muisti-testkit\``);
  return builds.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.on('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

function child(program) {
  const process = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((done) => process.on('exit', done));
  return { process, lines, ended };
}

/** The scripted model as a process. `say` queues answers, `requests` tells what it was asked. */
async function startModel() {
  const { process, lines, ended } = child(binary('scripted-model', 'MUISTI_SCRIPTED_MODEL'));
  const url = (await lines.next()).value.split(' ').pop();
  const script = async (body) => {
    const response = await fetch(`${url}/__script`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(await response.text());
  };
  return {
    url,
    script,
    say: (...answers) => script({ answers }),
    reset: async () => {
      await script({ answers: [], rules: [], fallback: { text: 'Understood.' } });
      await fetch(`${url}/__requests`, { method: 'DELETE' });
    },
    requests: async () => {
      const requests = await (await fetch(`${url}/__requests`)).json();
      return requests.map((request) => request.body).filter((body) => body?.messages);
    },
    stop: async () => {
      process.stdin.end();
      await ended;
    },
  };
}

/** Fresh PostgreSQL databases; null when the machine has no PostgreSQL and this is not CI. */
async function startPostgres() {
  const { process, lines, ended } = child(binary('throwaway-postgres', 'MUISTI_THROWAWAY_POSTGRES'));
  process.stdin.on('error', () => {});
  const ask = async () => {
    process.stdin.write('\n');
    const { value } = await lines.next();
    return value?.startsWith('postgres') ? value : null;
  };
  let first = await ask();
  if (!first) {
    const code = await ended;
    if (code === 3 && !CI) return null;
    throw new Error(CI ? 'CI needs PostgreSQL' : 'the throw-away PostgreSQL did not start');
  }
  return {
    fresh: async () => {
      const url = first ?? (await ask());
      first = null;
      return url;
    },
    stop: async () => {
      process.stdin.end();
      await ended;
    },
  };
}

/** The built server, to be started on a free port with its data in a temporary directory. */
async function prepareServer(model, databaseUrl, variables) {
  const program = binary('muisti', 'MUISTI_BIN');
  const directory = mkdtempSync(join(tmpdir(), 'muisti-sdk-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !FOREIGN.some((prefix) => name.startsWith(prefix))),
  );
  Object.assign(env, { OPENAI_API_KEY: 'scripted', OPENAI_API_BASE: `${model.url}/v1` }, variables);
  if (databaseUrl) env.MUISTI_DATABASE_URL = databaseUrl;
  const logFile = join(directory, 'server.log');
  let server;
  let ended;

  const start = async () => {
    const log = openSync(logFile, 'a');
    const data = join(directory, 'data');
    server = spawn(program, ['--host', '127.0.0.1', '--port', String(port), '--data-dir', data], {
      cwd: directory,
      env,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    ended = new Promise((done) => server.on('exit', done));
    const end = Date.now() + 60_000;
    for (;;) {
      if (server.exitCode !== null || Date.now() > end) {
        throw new Error(`the server did not start:\n${readFileSync(logFile, 'utf8').slice(-4000)}`);
      }
      const healthy = await fetch(`${url}/v1/health/`).then((response) => response.ok, () => false);
      if (healthy) return;
      await sleep(20);
    }
  };
  const kill = async () => {
    server?.kill('SIGKILL');
    await ended;
  };
  return {
    client: new Letta({ baseURL: url, apiKey: 'anything' }),
    start,
    restart: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Describes a suite once for each kind of database, with a server of its own that has these environment variables.
 * The suite gets the `server`, its `client`, and the `model`, which is reset before each test.
 */
export async function onEachDatabase(suite, environment = {}) {
  const model = await startModel();
  const postgres = await startPostgres();
  if (!postgres) console.log('SKIPPED on PostgreSQL: the machine has none');
  after(async () => {
    await model.stop();
    await postgres?.stop();
  });
  const servers = { sqlite: await prepareServer(model, null, environment) };
  if (postgres) servers.postgres = await prepareServer(model, await postgres.fresh(), environment);
  for (const [database, server] of Object.entries(servers)) {
    describe(database, () => {
      before(server.start);
      after(server.stop);
      beforeEach(model.reset);
      suite({ client: server.client, model, server });
    });
  }
}

/** An id that is one, and that nothing has; its prefix goes before it. */
export const UNKNOWN = '123e4567-e89b-42d3-8456-426614174000';
export const EMBEDDING = 'openai/text-embedding-3-small';

/** An agent with little in its memory, or with what `more` says instead. */
export const createAgent = (client, more) =>
  client.agents.create({
    model: 'openai/gpt-4o-mini',
    memory_blocks: [{ label: 'human', value: 'Nothing known yet.' }],
    ...more,
  });

export const user = (text) => [{ role: 'user', content: text }];
export const memoryInsert = (text, id) => ({ id, name: 'memory_insert', arguments: { label: 'human', new_string: text } });

export const kinds = (messages) => messages.map((message) => message.message_type);
export const withoutPings = (events) => events.filter((event) => event.message_type !== 'ping');
export const textOf = (events) =>
  events
    .filter((event) => event.message_type === 'assistant_message')
    .map((event) => event.content)
    .join('');

export async function collect(iterable) {
  const items = [];
  for await (const item of await iterable) items.push(item);
  return items;
}

/** The run, once this holds of it. */
export async function runWhen(client, id, holds) {
  const end = Date.now() + 20_000;
  for (;;) {
    const run = await client.runs.retrieve(id);
    if (await holds(run)) return run;
    if (Date.now() > end) throw new Error(`it does not come to that: ${JSON.stringify(run)}`);
    await sleep(20);
  }
}
