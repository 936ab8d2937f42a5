"""Background runs: answered at once, asked for later, posted to a callback address when they end."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from letta_client import UnprocessableEntityError

from harness import kinds, run_when, until, user


class Receiver:
    """Notes what is posted to it, and answers 202."""

    def __init__(self):
        self.posted = posted = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                posted.append((self.headers["content-type"], json.loads(body)))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/done"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


def test_a_background_run_is_answered_at_once_and_asked_for_later(client, agent, model):
    model.say({"text": "I am here.", "held": True})
    run = client.agents.messages.create_async(agent.id, messages=user("Are you there?"))
    assert run.background is True
    assert run.status in ("created", "running")
    until(model.requests)
    model.release()
    run = run_when(client, run.id, lambda run: run.status == "completed")
    assert (run.stop_reason, run.callback_url) == ("end_turn", None)
    listed = list(client.runs.messages.list(run.id))
    assert kinds(listed) == ["user_message", "assistant_message"]
    assert client.runs.usage.retrieve(run.id).total_tokens > 0


def test_the_end_of_a_background_run_is_posted(client, agent, model, receiver):
    model.say({"text": "I am here."})
    messages = user("Are you there?")
    run = client.agents.messages.create_async(agent.id, messages=messages, callback_url=receiver.url)
    run = run_when(client, run.id, lambda run: run.callback_sent_at is not None)
    assert (run.callback_status_code, run.callback_error) == (202, None)
    [(content_type, body)] = receiver.posted
    assert content_type == "application/json"
    assert (body["run_id"], body["status"]) == (run.id, "completed")
    listed = [message.id for message in client.runs.messages.list(run.id)]
    assert [message["id"] for message in body["metadata"]["result"]["messages"]] == listed


def test_an_address_that_cannot_be_called_is_refused(client, agent):
    with pytest.raises(UnprocessableEntityError, match="callback_url"):
        client.agents.messages.create_async(agent.id, messages=user("Hi"), callback_url="file:///etc/passwd")
