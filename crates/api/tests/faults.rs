//! What no well-behaved client or model server would send, against the running server on both databases: each fault gets
//! its status and a sentence, and afterwards everything works as before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use std::time::Duration;

use muisti_testkit::{
    Answer, Client, Ending, Response, ScriptedCall, ScriptedModel, Server, ServerBuilder, TestDatabase, agent_json,
    user_message,
};
use serde_json::{Value, json};

const UNKNOWN: &str = "123e4567-e89b-42d3-8456-426614174000";
const BODY_LIMIT: usize = 100_000;

/// A server with a scripted model and one agent.
struct Scene {
    model: ScriptedModel,
    server: Server,
    client: Client,
    agent: String,
    /// Last, so that the server is gone before its data.
    _database: TestDatabase,
}

impl Scene {
    async fn each() -> Vec<Self> {
        Self::each_with(|server| server).await
    }

    async fn each_with(configure: impl Fn(ServerBuilder) -> ServerBuilder) -> Vec<Self> {
        let mut scenes = Vec::new();
        for database in TestDatabase::each() {
            let model = ScriptedModel::start();
            let server = Server::builder(env!("CARGO_BIN_EXE_muisti"), &database)
                .env("OPENAI_API_KEY", "scripted")
                .env("OPENAI_API_BASE", model.base_url())
                .env("MUISTI_BODY_LIMIT", BODY_LIMIT.to_string());
            let server = configure(server).start();
            let mut client = server.client();
            let agent = client.post("/v1/agents/", &agent_json("openai/gpt-4o-mini")).await.unwrap().expect_json();
            let agent = agent["id"].as_str().unwrap().to_owned();
            scenes.push(Self { model, server, client, agent, _database: database });
        }
        scenes
    }

    fn messages(&self) -> String {
        format!("/v1/agents/{}/messages", self.agent)
    }

    async fn send(&mut self, text: &str) -> Response {
        let path = self.messages();
        self.client.post(&path, &user_message(text)).await.unwrap()
    }

    async fn history(&mut self) -> Vec<Value> {
        let path = format!("{}?order=asc&limit=1000", self.messages());
        self.client.get(&path).await.unwrap().expect_json().as_array().unwrap().clone()
    }

    /// The next message is answered, and no run is left behind.
    async fn assert_goes_on(&mut self, after: &str) {
        self.model.always(Answer::text("Going on."));
        let response = self.send("Are you there?").await;
        assert!(response.is_success(), "after {after}: {} {}", response.status, response.text());
        assert_eq!(response.json()["stop_reason"]["stop_reason"], "end_turn", "after {after}");
        let path = format!("/v1/runs/?agent_id={}&statuses=created&statuses=running", self.agent);
        assert_eq!(self.client.get(&path).await.unwrap().expect_json(), json!([]), "after {after}");
    }
}

/// A text that no compression makes short.
fn noise(length: u64) -> String {
    let letter = |place: u64| char::from(b'a' + u8::try_from(place * place * 7919 % 1013 % 26).unwrap_or_default());
    (0..length).map(letter).collect()
}

#[tokio::test]
async fn bodies_that_are_no_json_are_unprocessable() {
    for mut scene in Scene::each().await {
        let path = scene.messages();
        for body in
            [&b"{\"messages\": [{\"role\""[..], b"", b"\xff\xfe\x00", b"{\"input\": \"\xc3\x28\"}", b"[]", b"\"text\""]
        {
            let response = scene.client.send_bytes("POST", &path, "application/json", Some(body)).await.unwrap();
            assert_eq!(response.status, 422, "{}: {}", String::from_utf8_lossy(body), response.text());
            assert!(response.json()["detail"].is_string());
        }
        let body = br#"{"input": "Hello"}"#;
        let response = scene.client.send_bytes("POST", &path, "text/csv", Some(body)).await.unwrap();
        assert_eq!(response.status, 422, "{}", response.text());
        scene.assert_goes_on("bodies that are no JSON").await;
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_under_it_is_not() {
    for mut scene in Scene::each().await {
        let block = |size: usize| json!({"label": "big", "value": "x".repeat(size)});
        let accepted = scene.client.post("/v1/blocks/", &block(BODY_LIMIT - 100)).await.unwrap();
        assert!(accepted.is_success(), "{}", accepted.text());
        let refused = Client::new(&scene.server.url()).post("/v1/blocks/", &block(BODY_LIMIT + 1)).await.unwrap();
        assert_eq!(refused.status, 413, "{}", refused.text());
        assert!(refused.json()["detail"].is_string());
    }
}

#[tokio::test]
async fn every_kind_of_bad_argument_has_its_status() {
    for mut scene in Scene::each().await {
        let agent = scene.agent.clone();
        let messages = scene.messages();
        let agents = "/v1/agents/".to_owned();
        let cases: Vec<(&str, String, Value, &[u16])> = vec![
            ("GET", format!("/v1/agents/agent-{UNKNOWN}"), Value::Null, &[404]),
            ("GET", format!("/v1/agents/block-{UNKNOWN}"), Value::Null, &[422]),
            ("GET", "/v1/agents/agent-%00".to_owned(), Value::Null, &[422]),
            ("GET", "/v1/agents/agent-%ff%fe".to_owned(), Value::Null, &[400, 422]),
            ("GET", "/v1/agents/?limit=-1".to_owned(), Value::Null, &[422]),
            ("GET", "/v1/agents/?limit=ten".to_owned(), Value::Null, &[422]),
            ("GET", "/v1/agents/?order=sideways".to_owned(), Value::Null, &[422]),
            ("GET", "/v1/agents/?limit=99999999999999999999".to_owned(), Value::Null, &[200, 422]),
            ("GET", format!("/v1/agents/?after=agent-{UNKNOWN}"), Value::Null, &[404]),
            ("GET", format!("/v1/blocks/?before=block-{UNKNOWN}"), Value::Null, &[404]),
            ("GET", format!("/v1/tools/?after=tool-{UNKNOWN}"), Value::Null, &[404]),
            ("GET", format!("{messages}?after=message-{UNKNOWN}"), Value::Null, &[404]),
            ("GET", format!("/v1/runs/?after=run-{UNKNOWN}"), Value::Null, &[404]),
            ("POST", agents.clone(), json!({"model": "openai/none-such"}), &[404]),
            ("POST", agents.clone(), json!({"model": "nonsense"}), &[400]),
            ("POST", agents.clone(), json!({"model": 7}), &[422]),
            ("POST", agents.clone(), json!({"model": "openai/gpt-4o-mini", "agent_type": "poet"}), &[422]),
            ("POST", agents.clone(), json!({"model": "openai/gpt-4o-mini", "block_ids": ["nonsense"]}), &[422]),
            (
                "POST",
                agents.clone(),
                json!({"model": "openai/gpt-4o-mini", "memory_blocks": [{"label": "a", "value": "1"}, {"label": "a", "value": "2"}]}),
                &[400, 409, 422],
            ),
            ("POST", agents, json!({"model": "openai/gpt-4o-mini", "tool_rules": [{"type": "no_such_rule"}]}), &[422]),
            ("POST", "/v1/blocks/".to_owned(), json!({"value": "no label"}), &[422]),
            ("POST", "/v1/blocks/".to_owned(), json!({"label": noise(3000), "value": ""}), &[422]),
            ("POST", "/v1/blocks/".to_owned(), json!({"label": "a", "value": "", "tags": [noise(3000)]}), &[422]),
            (
                "POST",
                "/v1/agents/".to_owned(),
                json!({"model": "openai/gpt-4o-mini", "memory_blocks": [{"label": noise(3000), "value": ""}]}),
                &[422],
            ),
            ("GET", format!("/v1/blocks/?label={}", "l".repeat(51)), Value::Null, &[422]),
            ("GET", format!("/v1/agents/{agent}/core-memory/blocks/none"), Value::Null, &[404]),
            ("PATCH", format!("/v1/agents/{agent}/core-memory/blocks/attach/block-{UNKNOWN}"), Value::Null, &[404]),
            ("PATCH", format!("/v1/agents/{agent}/tools/attach/tool-{UNKNOWN}"), Value::Null, &[404]),
            ("POST", messages.clone(), json!({"messages": []}), &[422]),
            ("POST", messages.clone(), json!({}), &[422]),
            ("POST", messages.clone(), json!({"input": "a", "messages": [{"role": "user", "content": "b"}]}), &[422]),
            ("POST", messages.clone(), json!({"messages": [{"role": "user", "content": ""}]}), &[400, 422]),
            ("POST", messages.clone(), json!({"messages": [{"role": "wizard", "content": "b"}]}), &[422]),
            ("POST", messages.clone(), json!({"input": "a", "max_steps": 0}), &[422]),
            ("POST", messages.clone(), json!({"input": "a", "stream_tokens": true}), &[422]),
            ("POST", messages, json!({"input": "a", "override_model": "openai/none-such"}), &[404]),
            ("GET", "/v1/no/such/route".to_owned(), Value::Null, &[404]),
            ("DELETE", "/v1/agents/".to_owned(), Value::Null, &[404, 405]),
        ];
        for (method, path, body, expected) in cases {
            let response = scene.client.send(method, &path, (!body.is_null()).then_some(&body)).await.unwrap();
            let case = format!("{method} {path} {body}: {} {}", response.status, response.text());
            assert!(expected.contains(&response.status), "expected {expected:?}, {case}");
            if response.status >= 400 {
                assert!(!response.json()["detail"].is_null(), "no detail, {case}");
            }
        }
        for path in ["/v1/agents/?limit=0", "/v1/blocks/?limit=0", "/v1/tools/?limit=0"] {
            assert_eq!(scene.client.get(path).await.unwrap().expect_json(), json!([]), "{path}");
        }
        scene.client.get("/v1/agents/?limit=1000000000").await.unwrap().expect_json();
        assert_eq!(scene.history().await.len(), 1, "nothing of all that was stored");
        scene.assert_goes_on("bad arguments").await;
    }
}

#[tokio::test]
async fn nul_bytes_are_dropped_and_other_characters_kept() {
    for mut scene in Scene::each().await {
        let text = "be\u{0}fore \u{1F980} \u{202e}\u{feff} after";
        let block =
            scene.client.post("/v1/blocks/", &json!({"label": "x", "value": text})).await.unwrap().expect_json();
        assert_eq!(block["value"], text.replace('\u{0}', ""));
        scene.model.push(Answer::text("a\u{0}b"));
        let answer = scene.send(text).await.expect_json();
        let history = scene.history().await;
        assert_eq!(history[1]["content"], text.replace('\u{0}', ""));
        assert_eq!(history[2]["content"], "ab");
        assert_eq!(answer["messages"][0]["content"], "ab", "what is answered is what is stored");
        scene.assert_goes_on("NUL bytes").await;
    }
}

#[tokio::test]
async fn a_model_server_that_refuses_is_an_error_of_its_kind() {
    for mut scene in Scene::each().await {
        for (status, expected, kind) in [
            (400, 400, "llm_bad_request"),
            (401, 401, "llm_authentication"),
            (429, 429, "llm_rate_limit"),
            (500, 500, "llm_error"),
        ] {
            scene.model.always(Answer::error(status, "as scripted").header("retry-after", "0"));
            let response = scene.send("Hello?").await;
            assert_eq!(response.status, expected, "{}", response.text());
            assert_eq!(response.json()["error"]["type"], kind);
            assert!(
                response.json()["error"]["detail"].as_str().unwrap().contains("as scripted"),
                "{}",
                response.text()
            );
            assert_eq!(scene.history().await.len(), 1, "a failed first step leaves no message");

            let events = stream_errors(&scene).await;
            assert_eq!(events[1]["error_type"], kind);
        }
        scene.assert_goes_on("refusals").await;
    }
}

/// Streams a message that must fail: the stop reason, and the error frame, before `[DONE]`.
async fn stream_errors(scene: &Scene) -> Vec<Value> {
    let mut body = user_message("Hello?");
    body["streaming"] = true.into();
    body["stream_tokens"] = true.into();
    let stream = Client::new(&scene.server.url()).stream(&scene.messages(), &body).await.unwrap();
    assert_eq!(stream.status, 200);
    let events = stream.collect().await.unwrap();
    let [.., reason, error, done] = &events[..] else { panic!("too few frames: {events:?}") };
    assert!(done.is_done(), "{events:?}");
    assert_eq!(error.event.as_deref(), Some("error"), "{events:?}");
    assert_eq!(reason.json()["message_type"], "stop_reason", "{events:?}");
    let reasons = events.iter().filter(|event| event.json()["message_type"] == "stop_reason").count();
    assert_eq!(reasons, 1, "{events:?}");
    vec![reason.json(), error.json()]
}

#[tokio::test]
async fn a_model_server_that_breaks_off_is_an_error_and_never_a_hang() {
    let impatient = |server: ServerBuilder| {
        server.env("LETTA_LLM_REQUEST_TIMEOUT_SECONDS", "2").env("LETTA_LLM_STREAM_TIMEOUT_SECONDS", "2")
    };
    for mut scene in Scene::each_with(impatient).await {
        let faults = [
            ("a cut stream", Answer::text("one two three four").cut_after(3)),
            ("a stream without an end", Answer::text("one two").ending(Ending::Unfinished)),
            ("a stream that falls silent", Answer::text("one two").ending_after(2, Ending::Hang)),
            ("no answer at all", Answer::hang()),
            ("HTML", Answer::error_body(502, "<html>Bad gateway</html>").header("content-type", "text/html")),
        ];
        for (name, fault) in faults {
            scene.model.always(fault);
            // Three tries of two seconds, and the pauses between them; without a limit it would be ten minutes.
            let limit = Duration::from_secs(120);
            let events = tokio::time::timeout(limit, stream_errors(&scene)).await;
            let events = events.unwrap_or_else(|_| panic!("{name} is a hang"));
            assert!(events[1]["error_type"].as_str().unwrap().starts_with("llm_"), "{name}: {events:?}");
            assert!(!events[1]["detail"].as_str().unwrap().is_empty(), "{name}: {events:?}");
            scene.assert_goes_on(name).await;
        }
    }
}

#[tokio::test]
async fn sloppy_but_readable_answers_are_read() {
    for mut scene in Scene::each().await {
        for (name, answer) in [
            ("JSON instead of a stream", Answer::text("As one piece.").as_json()),
            ("a stream without [DONE]", Answer::text("As one piece.").ending(Ending::NoDone)),
            ("no usage", Answer::text("As one piece.").without_usage()),
            ("a stream torn on the wire", Answer::text("As one piece.").write_size(3)),
        ] {
            scene.model.push(answer);
            let mut body = user_message("Hello?");
            body["streaming"] = true.into();
            body["stream_tokens"] = true.into();
            let stream = Client::new(&scene.server.url()).stream(&scene.messages(), &body).await.unwrap();
            let events = stream.collect().await.unwrap();
            let text: String =
                events.iter().filter_map(|event| event.json()["content"].as_str().map(str::to_owned)).collect();
            assert_eq!(text, "As one piece.", "{name}: {events:?}");
        }
        scene.assert_goes_on("sloppy answers").await;
    }
}

#[tokio::test]
async fn bad_tool_calls_are_answered_as_errors() {
    for mut scene in Scene::each().await {
        let insert = |arguments: Value| ScriptedCall::new("memory_insert", arguments);
        for (name, call, status) in [
            ("an unknown tool", ScriptedCall::new("no_such_tool", json!({})), "error"),
            ("torn arguments", insert("{\"label\": \"human\", \"new_st".into()), "error"),
            ("arguments that are no object", insert("[1, 2]".into()), "error"),
            ("a missing argument", insert(json!({"label": "human"})), "error"),
            ("an unknown label", insert(json!({"label": "none", "new_string": "x"})), "error"),
            ("no id", insert(json!({"label": "human", "new_string": "x"})).without_id(), "success"),
        ] {
            scene.model.push(Answer::tool_calls([call]));
            scene.model.push(Answer::text("Never mind."));
            let answer = scene.send("Try.").await.expect_json();
            let messages = answer["messages"].as_array().unwrap();
            assert_eq!(messages.len(), 3, "{name}: {answer:#}");
            assert_eq!(messages[1]["status"], status, "{name}: {answer:#}");
            assert!(!messages[1]["tool_return"].as_str().unwrap().is_empty(), "{name}");
            assert_eq!(messages[0]["tool_call"]["tool_call_id"], messages[1]["tool_call_id"], "{name}");
            assert_eq!(messages[2]["content"], "Never mind.", "{name}");
        }
        scene.assert_goes_on("bad tool calls").await;
    }
}

#[tokio::test]
async fn a_model_server_that_is_down_is_an_error_until_it_is_back() {
    for mut scene in Scene::each().await {
        let port = scene.model.port();
        // Another model takes the place of the one that goes down, so that the scene stays whole.
        drop(std::mem::replace(&mut scene.model, ScriptedModel::start()));
        let response = scene.send("Hello?").await;
        assert_eq!(response.status, 500, "{}", response.text());
        assert_eq!(response.json()["error"]["type"], "llm_error", "{}", response.text());
        let error = &stream_errors(&scene).await[1];
        assert_eq!(error["error_type"], "llm_error");
        scene.model = ScriptedModel::builder().port(port).start();
        scene.assert_goes_on("an outage").await;
    }
}
