//! Messages sent to conversations.

use muisti_testkit::{Answer, Backend, Client, Response, Server, ServerBuilder, SseEvent};
use serde_json::{Value, json};

use super::{UNKNOWN, UNKNOWN_AGENT};
use crate::harness::{App, assert_error, each, eventually, id, on_each_database};

/// Where messages to a history are sent.
pub(super) fn messages_of(history: &str) -> String {
    format!("/v1/conversations/{history}/messages")
}

impl App {
    /// Sends a text to a history by one of its names, and gives the whole answer.
    pub(super) async fn send(&mut self, history: &str, text: &str) -> Response {
        self.post(&messages_of(history), json!({ "input": text, "streaming": false })).await
    }

    /// Sends this to a history from a client of its own.
    fn sending(&self, history: &str, body: Value) -> tokio::task::JoinHandle<Response> {
        let (mut client, path) = (self.client(), messages_of(history));
        tokio::spawn(async move { client.post(&path, &body).await.unwrap() })
    }

    /// What is listed of a history, the oldest first.
    pub(super) async fn all_of(&mut self, history: &str) -> Vec<Value> {
        let path = format!("{}?order=asc&limit=100", messages_of(history));
        self.list(&path).await.as_array().unwrap().clone()
    }
}

/// What users say among what the model was asked.
pub(super) fn asked(request: &muisti_testkit::SeenRequest) -> Vec<String> {
    let users = request.messages().iter().filter(|message| message["role"] == "user");
    users.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["message_type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_conversation_answers_with_a_stream_unless_it_is_asked_for_the_whole() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let path = messages_of(id(&made));
        let mut runs = Vec::new();
        for tokens in [false, true] {
            app.model.push(Answer::text("Hello to you."));
            let body = json!({ "input": "Hello.", "stream_tokens": tokens });
            let stream = app.client.stream(&path, &body).await.unwrap();
            let events = stream.collect().await.unwrap();
            assert!(events.last().unwrap().is_done());
            let frames: Vec<Value> = events[..events.len() - 1].iter().map(SseEvent::json).collect();
            let said: String = frames.iter().filter_map(|frame| frame["content"].as_str()).collect();
            assert_eq!(said, "Hello to you.");
            let ends = frames.len() - 2;
            assert_eq!(
                (kinds(&frames)[0], &kinds(&frames)[ends..]),
                ("ping", &["stop_reason", "usage_statistics"][..])
            );
            runs.push(frames[0]["run_id"].as_str().unwrap().to_owned());
        }
        app.model.push(Answer::text("And to you."));
        let whole = app.send(id(&made), "Hello once more.").await.expect_json();
        assert_eq!(kinds(whole["messages"].as_array().unwrap()), ["assistant_message"]);
        assert_eq!(whole["stop_reason"]["stop_reason"], "end_turn");
        runs.push(whole["messages"][0]["run_id"].as_str().unwrap().to_owned());

        for run in &runs {
            let run = app.list(&format!("/v1/runs/{run}")).await;
            assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")));
            assert_eq!((&run["conversation_id"], &run["agent_id"]), (&made["id"], &agent["id"]));
            assert_eq!(run["metadata"]["run_type"], "send_conversation_message");
            assert_eq!(run["background"], false);
        }
        let listed = app.list(&format!("/v1/runs/?conversation_id={}", id(&made))).await;
        assert_eq!(listed.as_array().unwrap().len(), 3);
        let body = json!({ "input": "Hello.", "streaming": false, "stream_tokens": true });
        assert_error(&app.post(&path, body).await, 422, "stream_tokens can only be true when streaming=true");
        assert_error(&app.post(&path, json!({ "messages": [] })).await, 422, "Messages must not be empty");
    })
    .await;
}

#[tokio::test]
async fn a_default_history_is_sent_to_by_either_name() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let beside = json!({ "input": "One.", "streaming": false, "agent_id": agent["id"] });
        let first = app.post(&messages_of("default"), beside).await.expect_json();
        let second = app.send(id(&agent), "Two.").await.expect_json();
        for answer in [&first, &second] {
            let run = app.list(&format!("/v1/runs/{}", answer["messages"][0]["run_id"].as_str().unwrap())).await;
            assert_eq!((&run["conversation_id"], &run["status"]), (&Value::Null, &json!("completed")));
            assert_eq!(run["metadata"]["run_type"], "send_message");
        }
        assert_eq!(asked(&app.model.last_request()), ["One.", "Two."]);
        let state = app.list(&format!("/v1/agents/{}", id(&agent))).await;
        assert_eq!(state["message_ids"].as_array().unwrap().len(), 5);
        let by_agent = app.list(&format!("/v1/agents/{}/messages?order=asc", id(&agent))).await;
        assert_eq!(app.all_of(id(&agent)).await, *by_agent.as_array().unwrap());
        assert_eq!(app.list("/v1/conversations/").await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_cannot_be_sent_to() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        app.delete(&format!("/v1/conversations/{}", id(&made))).await.expect_json();
        for streaming in [true, false] {
            for (name, agent, status, fragment) in [
                ("default", Value::Null, 404, "agent_id"),
                ("default", json!(UNKNOWN_AGENT), 404, "Agent with ID"),
                (UNKNOWN_AGENT, Value::Null, 404, "Agent with ID"),
                (UNKNOWN, Value::Null, 404, "Conversation with ID"),
                (id(&made), Value::Null, 404, "Conversation with ID"),
                ("nonsense", Value::Null, 422, "conv-"),
                ("default", json!("nonsense"), 422, "agent-"),
            ] {
                let body = json!({ "input": "Hello.", "agent_id": agent, "streaming": streaming });
                assert_error(&app.post(&messages_of(name), body).await, status, fragment);
            }
        }
        assert_eq!(app.model.requests().len(), 0);
        assert_eq!(app.list("/v1/runs/").await, json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_of_one_agent_go_on_side_by_side_and_do_not_see_each_other() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let names = [
            id(&app.conversation(&agent, json!({})).await).to_owned(),
            id(&app.conversation(&agent, json!({})).await).to_owned(),
            id(&agent).to_owned(),
        ];
        app.model.answer_with(|request| {
            let said = request.last_user().unwrap();
            Answer::text(&format!("You said: {said}")).held()
        });
        for round in 0..2 {
            app.model.clear_requests();
            let sends: Vec<_> = (0..names.len())
                .map(|n| app.sending(&names[n], json!({ "input": format!("{round} to {n}"), "streaming": n == 0 })))
                .collect();
            // All are asked before the first has its answer.
            app.asked(names.len()).await;
            assert!(sends.iter().all(|send| !send.is_finished()));
            app.model.release();
            for send in sends {
                assert_eq!(send.await.unwrap().status, 200);
            }
        }
        for (n, name) in names.iter().enumerate() {
            let listed = app.all_of(name).await;
            let said: Vec<_> = listed[1..].iter().map(|message| message["content"].as_str().unwrap()).collect();
            let expected: Vec<String> =
                (0..2).flat_map(|round| [format!("{round} to {n}"), format!("You said: {round} to {n}")]).collect();
            assert_eq!(said, expected);
        }
        for request in app.model.requests() {
            let asked = asked(&request);
            let own = asked[0].rsplit(' ').next().unwrap();
            assert_eq!(asked, [format!("0 to {own}"), format!("1 to {own}")]);
        }
        let state = app.list(&format!("/v1/agents/{}", id(&agent))).await;
        assert_eq!(state["message_ids"].as_array().unwrap().len(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sends_to_one_conversation_one_is_refused_with_the_run_that_works_on_it() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        app.model.always(Answer::text("Here."));
        for name in [id(&made), id(&agent)] {
            for streaming in [true, false] {
                app.model.clear_requests();
                app.model.push(Answer::text("Here.").held());
                let sends: Vec<_> = (0..2)
                    .map(|n| app.sending(name, json!({ "input": format!("Number {n}."), "streaming": streaming })))
                    .collect();
                app.asked(1).await;
                eventually("one of them has its answer", || sends.iter().any(|send| send.is_finished())).await;
                app.model.release();
                let mut answers = Vec::new();
                for send in sends {
                    answers.push(send.await.unwrap());
                }
                answers.sort_by_key(|answer| answer.status);
                assert_eq!((answers[0].status, answers[1].status), (200, 409), "{}", answers[1].text());
                let refused = &answers[1];
                let run = refused.json()["run_id"].as_str().unwrap().to_owned();
                assert!(answers[0].text().contains(&run), "the run is that of the other");
                assert_error(refused, 409, "is currently being processed");
                assert_error(refused, 409, &format!("run_id={run}"));
                // Then it is free again.
                app.send(name, "And now?").await.expect_json();
            }
            let listed = app.all_of(name).await;
            assert_eq!(listed.len(), 9, "nothing of what was refused is there");
        }
        let runs = app.list("/v1/runs/?limit=100").await;
        assert_eq!(each(&runs, "status"), ["completed"; 8]);
    })
    .await;
}

#[tokio::test]
async fn a_turn_that_failed_leaves_its_conversation_free() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let path = messages_of(id(&made));
        for (streaming, status) in [(false, 400), (true, 200)] {
            app.model.push(Answer::error(400, "What is this?"));
            let failed = app.post(&path, json!({ "input": "Hello.", "streaming": streaming })).await;
            assert_eq!(failed.status, status);
            assert!(failed.text().contains("What is this?"), "{}", failed.text());
            assert_eq!(app.all_of(id(&made)).await.len(), 1);
        }
        // It was sent to all the same.
        assert!(app.again(&made).await["last_message_at"].is_string());
        let runs = app.list(&format!("/v1/runs/?conversation_id={}", id(&made))).await;
        assert_eq!(each(&runs, "stop_reason"), ["llm_api_error"; 2]);
        app.send(id(&made), "Hello again.").await.expect_json();
        assert_eq!(asked(&app.model.last_request()), ["Hello again."]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_the_last_message_is_that_of_the_request() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        assert_eq!(made["last_message_at"], Value::Null);
        app.model.push(Answer::text("At last.").held());
        let sending = app.sending(id(&made), json!({ "input": "Well?", "streaming": false }));
        app.asked(1).await;
        let at = app.again(&made).await["last_message_at"].clone();
        assert!(at.is_string() && !sending.is_finished());
        app.model.release();
        sending.await.unwrap().expect_json();
        assert_eq!(app.again(&made).await["last_message_at"], at);
        app.send(id(&made), "And?").await.expect_json();
        assert!(app.again(&made).await["last_message_at"].as_str() > at.as_str());
    })
    .await;
}

#[tokio::test]
async fn turns_are_listed_from_either_end() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await;
        let made = app.conversation(&agent, json!({})).await;
        let insert = json!({ "label": "human", "new_string": "Green." });
        app.model.push_all([Answer::tool_call("memory_insert", insert).reasoning("Hm."), Answer::text("Noted.")]);
        app.send(id(&made), "I like green.").await.expect_json();
        app.send(id(&made), "And red.").await.expect_json();
        let turn =
            ["user_message", "reasoning_message", "tool_call_message", "tool_return_message", "assistant_message"];
        let mut expected = vec!["system_message"];
        expected.extend(turn);
        expected.extend(["user_message", "assistant_message"]);
        let ascending = app.all_of(id(&made)).await;
        assert_eq!(kinds(&ascending), expected);
        let newest_first = app.list(&format!("{}?limit=100", messages_of(id(&made)))).await;
        let newest_first = newest_first.as_array().unwrap();
        // The parts of a message stay in their order.
        let expected = [
            "assistant_message",
            "user_message",
            "assistant_message",
            "tool_return_message",
            "reasoning_message",
            "tool_call_message",
            "user_message",
            "system_message",
        ];
        assert_eq!(kinds(newest_first), expected);
        let said = newest_first.iter().find(|message| message["message_type"] == "user_message").unwrap();
        assert_eq!(said["content"], "And red.");
        assert!(ascending[1..].iter().all(|message| message["run_id"].is_string() && message["step_id"].is_string()));
        let block = app.list(&format!("/v1/agents/{}/core-memory/blocks/human", id(&agent))).await;
        assert_eq!(block["value"], "Green.", "memory is shared");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_to_an_agent_wait_in_the_order_in_which_they_came() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        app.model.push(Answer::text("Here.").held());
        let mut sends = Vec::new();
        for n in 0..4 {
            let (mut client, path) = (app.client(), format!("/v1/agents/{}/messages", id(&agent)));
            let body = json!({ "input": format!("{n}") });
            sends.push(tokio::spawn(async move { client.post(&path, &body).await.unwrap() }));
            app.active(n + 1).await;
        }
        // Who sends to the same history as to a conversation does not wait.
        assert_error(&app.send(id(&agent), "Me too.").await, 409, "is currently being processed");
        app.asked(1).await;
        app.model.release();
        for send in sends {
            send.await.unwrap().expect_json();
        }
        let listed = app.all_of(id(&agent)).await;
        let said = listed.iter().filter(|message| message["message_type"] == "user_message");
        let said: Vec<_> = said.map(|message| message["content"].as_str().unwrap()).collect();
        assert_eq!(said, ["0", "1", "2", "3"]);
    })
    .await;
}

#[tokio::test]
async fn conversations_are_sorted_by_when_they_last_worked() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(id(&app.conversation(&agent, json!({})).await).to_owned());
        }
        app.send(&names[2], "First.").await.expect_json();
        // One that fails has ended too.
        app.model.push(Answer::error(400, "No."));
        assert_eq!(app.send(&names[0], "Second.").await.status, 400);
        app.send(&names[1], "Third.").await.expect_json();
        for (order, expected) in [("desc", [1, 0, 2, 3]), ("asc", [2, 0, 1, 3])] {
            let path = format!("/v1/conversations/?agent_id={}&order_by=last_run_completion&order={order}", id(&agent));
            let sorted = each(&app.list(&path).await, "id");
            assert_eq!(sorted, expected.map(|n: usize| names[n].clone()), "{order}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_conversation_is_sent_to_in_the_background_and_read_again() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        app.model.push(Answer::text("One two three."));
        let body = json!({ "input": "Count.", "background": true, "stream_tokens": true });
        let stream = app.client.stream(&messages_of(id(&made)), &body).await.unwrap();
        let first = stream.collect().await.unwrap();
        let run = first[0].json()["run_id"].as_str().unwrap().to_owned();
        let stored = app.list(&format!("/v1/runs/{run}")).await;
        assert_eq!((&stored["background"], &stored["conversation_id"]), (&json!(true), &made["id"]));
        let path = format!("/v1/conversations/{}/stream", id(&made));
        let again = app.client.stream(&path, &json!({ "run_id": run })).await.unwrap().collect().await.unwrap();
        assert_eq!(again, first);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_agree_on_who_works_on_a_conversation() {
    if !Backend::all().contains(&Backend::Postgres) {
        return;
    }
    let shared = |server: ServerBuilder| server.env("MUISTI_ENCRYPTION_KEY", "of all nodes");
    let mut app = App::start(Backend::Postgres.fresh(), |server| shared(server).node("first"));
    let second = Server::builder(env!("CARGO_BIN_EXE_muisti"), &app.database)
        .env("OPENAI_API_BASE", app.model.base_url())
        .env("MUISTI_DISCOVER_LOCAL", "false");
    let second = shared(second).node("second").start();
    let mut elsewhere = Client::new(&second.url());
    let agent = app.agent(json!({})).await;
    let made = app.conversation(&agent, json!({})).await;
    let other = app.conversation(&agent, json!({})).await;
    app.model.push(Answer::text("Here.").held());
    let sending = app.sending(id(&made), json!({ "input": "Here first.", "streaming": false }));
    app.asked(1).await;
    let body = json!({ "input": "Me too.", "streaming": false });
    let refused = elsewhere.post(&messages_of(id(&made)), &body).await.unwrap();
    assert!(!sending.is_finished());
    assert_error(&refused, 409, "is currently being processed");
    app.model.release();
    let answer = sending.await.unwrap().expect_json();
    assert_eq!(refused.json()["run_id"], answer["messages"][0]["run_id"]);
    for name in [id(&made), id(&other)] {
        elsewhere.post(&messages_of(name), &body).await.unwrap().expect_json();
    }
    assert_eq!(asked(&app.model.requests()[1]), ["Here first.", "Me too."]);
}
