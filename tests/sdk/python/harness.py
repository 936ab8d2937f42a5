"""Starts what the tests drive — the built server, the scripted model, a throw-away PostgreSQL — and what they share."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from letta_client import Letta

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = ("OPENAI_", "OLLAMA_", "LETTA_", "MUISTI_", "ANTHROPIC_")
KEEPALIVE_SECONDS = 0.5

# An id that is one, and that nothing has; its prefix goes before it.
UNKNOWN = "123e4567-e89b-42d3-8456-426614174000"


def binary(name, variable):
    """A built program: named by its variable, or the newest of the debug and release builds."""
    if os.environ.get(variable):
        return os.environ[variable]
    builds = [ROOT / "target" / profile / name for profile in ("debug", "release")]
    builds = [build for build in builds if build.exists()]
    if not builds:
        raise RuntimeError(f"{name} is not built: run `cargo build -p muisti-api -p muisti-testkit`")
    return str(max(builds, key=lambda build: build.stat().st_mtime))


def kept_port():
    """A port, and the socket that keeps it: nobody else is given it, and whoever is told of it may listen there."""
    keeper = socket.socket()
    # On Linux such a port can be shared, as long as only one listens; elsewhere it is one that was free a moment ago.
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    port = keeper.getsockname()[1]
    if not sys.platform.startswith("linux"):
        keeper.close()
    return port, keeper


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read() or b"null")


class Model:
    """The scripted model as a process. `say` queues answers, `requests` tells what it was asked, `release` lets go of
    answers that are held."""

    def __init__(self):
        program = binary("scripted-model", "MUISTI_SCRIPTED_MODEL")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def reset(self):
        self.script(answers=[], rules=[], fallback={"text": "Understood."})
        call("DELETE", f"{self.url}/__requests")

    def script(self, **script):
        call("POST", f"{self.url}/__script", script)

    def say(self, *answers):
        self.script(answers=list(answers))

    def release(self):
        call("POST", f"{self.url}/__release")

    def requests(self):
        bodies = [request["body"] for request in call("GET", f"{self.url}/__requests")]
        return [body for body in bodies if body and "messages" in body]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


class Databases:
    """Fresh PostgreSQL databases; `None` from `start` when the machine has no PostgreSQL and this is not CI."""

    @classmethod
    def start(cls):
        program = binary("throwaway-postgres", "MUISTI_THROWAWAY_POSTGRES")
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        databases = cls()
        databases.process = process
        databases.first = databases._ask()
        if databases.first is None:
            if process.wait(10) == 3:
                return None
            raise RuntimeError("the throw-away PostgreSQL did not start")
        return databases

    def _ask(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        line = self.process.stdout.readline().strip()
        return line if line.startswith("postgres") else None

    def fresh(self):
        if self.first:
            url, self.first = self.first, None
            return url
        return self._ask()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Server:
    """The built server on a free port, with its data in a temporary directory."""

    def __init__(self, model, database_url=None, **variables):
        self.program = os.path.abspath(binary("muisti", "MUISTI_BIN"))
        self.directory = tempfile.mkdtemp(prefix="muisti-sdk-")
        self.port, self.keeper = kept_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        self.environment |= {"OPENAI_API_KEY": "scripted", "OPENAI_API_BASE": f"{model.url}/v1"}
        if database_url:
            self.environment["MUISTI_DATABASE_URL"] = database_url
        self.environment |= variables
        self.start()

    def start(self):
        self.log = open(Path(self.directory) / "server.log", "ab")
        data = str(Path(self.directory) / "data")
        arguments = [self.program, "--host", "127.0.0.1", "--port", str(self.port), "--data-dir", data]
        self.process = subprocess.Popen(
            arguments, env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        end = time.monotonic() + 60
        while True:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start:\n{self.tail()}")
            try:
                call("GET", f"{self.url}/v1/health/")
                return
            except OSError:
                time.sleep(0.02)

    def client(self):
        return Letta(base_url=self.url, api_key="anything")

    def tail(self):
        return (Path(self.directory) / "server.log").read_text(errors="replace")[-4000:]

    def kill(self):
        """As a crash would: the process gets no chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        self.kill()
        self.keeper.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def user(text):
    return [{"role": "user", "content": text}]


def memory_insert(text, **more):
    """What the model calls to note this."""
    return {"name": "memory_insert", "arguments": {"label": "human", "new_string": text}, **more}


def kinds(messages):
    return [message.message_type for message in messages]


def without_pings(events):
    return [event for event in events if event.message_type != "ping"]


def text_of(events):
    return "".join(event.content for event in events if event.message_type == "assistant_message")


def until(what, holds=bool):
    """What is found, once this holds of it."""
    end = time.monotonic() + 60
    while not holds(found := what()):
        assert time.monotonic() < end, f"it does not come to that: {found}"
        time.sleep(0.02)
    return found


def run_when(client, id, holds):
    return until(lambda: client.runs.retrieve(id), holds)
