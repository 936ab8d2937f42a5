// Starts what the tests drive: the built server, the scripted model, a throw-away PostgreSQL.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
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
export async function startModel() {
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
    requests: async () => (await (await fetch(`${url}/__requests`)).json()).map((request) => request.body),
    stop: async () => {
      process.stdin.end();
      await ended;
    },
  };
}

/** Fresh PostgreSQL databases; null when the machine has no PostgreSQL and this is not CI. */
export async function startPostgres() {
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

/** The built server on a free port, with its data in a temporary directory. */
export async function startServer(model, databaseUrl, variables = {}) {
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
    server.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    url,
    client: new Letta({ baseURL: url, apiKey: 'anything' }),
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

export const user = (text) => [{ role: 'user', content: text }];
export const kinds = (messages) => messages.map((message) => message.message_type);

export async function collect(iterable) {
  const items = [];
  for await (const item of await iterable) items.push(item);
  return items;
}
