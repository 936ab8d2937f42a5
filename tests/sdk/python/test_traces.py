"""What is kept of model calls, and how the time of a run was spent."""

from harness import UNKNOWN, user


def test_a_step_keeps_its_model_call_and_a_run_its_spans(client, agent, model):
    model.say({"text": "Hello."})
    response = client.agents.messages.create(agent.id, messages=user("Hi."))
    said = response.messages[0]
    trace = client.steps.trace.retrieve(said.step_id)
    assert (trace.step_id, trace.agent_id, trace.run_id) == (said.step_id, agent.id, said.run_id)
    assert (trace.call_type, trace.agent_tags) == ("agent_step", ["demo"])
    assert trace.request_json == model.requests()[0]
    assert trace.response_json["usage"]["input_tokens"] > 0
    spans = client.runs.trace.retrieve(said.run_id)
    assert [span["SpanName"] for span in spans if span["SpanName"] == "agent_step"] == ["agent_step"]
    assert len({span["TraceId"] for span in spans}) == 1


def test_nothing_is_kept_of_an_unknown_step(client):
    assert client.steps.trace.retrieve(f"step-{UNKNOWN}") is None
