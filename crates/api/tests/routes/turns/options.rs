//! What a request may ask of its turn, and what an agent keeps of the turns before.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{App, assert_error, id, on_each_database};

fn insert(text: &str) -> Answer {
    Answer::tool_call("memory_insert", json!({ "label": "human", "new_string": text }))
}

impl App {
    /// An agent that has something to remember by.
    async fn rememberer(&mut self, fields: Value) -> String {
        let mut body = json!({ "memory_blocks": [{ "label": "human", "value": "" }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.new_agent(body).await
    }

    async fn in_context_of(&mut self, agent: &str) -> Vec<Value> {
        self.list(&format!("/v1/agents/{agent}")).await["message_ids"].as_array().unwrap().clone()
    }

    /// What the model was last asked, by role.
    fn roles_asked(&self) -> Vec<String> {
        let request = self.model.last_request();
        request.messages().iter().map(|message| message["role"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn an_agent_that_forgets_sees_its_own_turn_alone() {
    on_each_database(async |app| {
        let agent = app.rememberer(json!({ "message_buffer_autoclear": true })).await;
        for round in 0..3 {
            app.model.push_all([insert("x"), Answer::text("Noted.")]);
            app.say(&agent, &format!("Number {round}.")).await.expect_json();
            assert_eq!(app.roles_asked(), ["system", "user", "assistant", "tool"], "its own steps it sees");
            assert_eq!(app.model.last_request().last_user().unwrap(), format!("Number {round}."));
            assert_eq!(app.in_context_of(&agent).await.len(), 5);
            assert_eq!(app.history(&agent).await.len(), 1 + 4 * (round + 1), "nothing leaves the list");
        }
        // What fails leaves everything as it was.
        let before = app.in_context_of(&agent).await;
        app.model.push(Answer::error(400, "No."));
        assert_eq!(app.say(&agent, "Number 3.").await.status, 400);
        assert_eq!(app.in_context_of(&agent).await, before);
        let path = format!("/v1/agents/{agent}/messages/preview-raw-payload");
        let preview = app.post(&path, json!({ "input": "Number 4." })).await.expect_json();
        assert_eq!(preview["messages"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_forgets_keeps_a_turn_that_waits_for_its_client() {
    on_each_database(async |app| {
        let rules = json!([{ "type": "requires_approval", "tool_name": "memory_insert" }]);
        let fields = json!({ "message_buffer_autoclear": true, "tool_rules": rules });
        let agent = app.rememberer(fields).await;
        app.say(&agent, "Before.").await.expect_json();
        app.model.push(insert("x"));
        let waits = app.say(&agent, "Write.").await.expect_json();
        assert_eq!(waits["stop_reason"]["stop_reason"], "requires_approval");
        let calls = waits["messages"].as_array().unwrap();
        let request = calls.iter().find(|message| message["message_type"] == "approval_request_message").unwrap();
        let approval = json!({
            "type": "approval", "tool_call_id": request["tool_call"]["tool_call_id"], "approve": true,
        });
        let answer = json!({ "messages": [{ "type": "approval", "approvals": [approval] }] });
        app.post(&format!("/v1/agents/{agent}/messages"), answer).await.expect_json();
        assert_eq!(app.roles_asked(), ["system", "user", "assistant", "tool"]);
        app.say(&agent, "After.").await.expect_json();
        assert_eq!(app.roles_asked(), ["system", "user"]);
    })
    .await;
}

#[tokio::test]
async fn the_conversations_of_an_agent_that_forgets_are_forgotten_too() {
    on_each_database(async |app| {
        let agent = app.rememberer(json!({ "message_buffer_autoclear": true })).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let path = format!("/v1/conversations/{}", id(&made));
        for round in 0..2 {
            let body = json!({ "input": format!("Number {round}."), "streaming": false });
            app.post(&format!("{path}/messages"), body).await.expect_json();
            assert_eq!(app.roles_asked(), ["system", "user"]);
        }
        assert_eq!(app.list(&path).await["in_context_message_ids"].as_array().unwrap().len(), 3);
        assert_eq!(app.list(&format!("{path}/messages")).await.as_array().unwrap().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn the_kinds_of_messages_are_those_asked_for_in_every_mode() {
    on_each_database(async |app| {
        let agent = app.rememberer(json!({})).await;
        let path = format!("/v1/agents/{agent}/messages");
        let all = ["reasoning_message", "tool_call_message", "tool_return_message", "assistant_message"];
        for (types, expected) in [
            (json!(["assistant_message", "tool_return_message"]), vec!["tool_return_message", "assistant_message"]),
            (json!(["reasoning_message"]), vec!["reasoning_message"]),
            (json!(["user_message"]), vec![]),
            (json!([]), all.to_vec()),
            (json!(null), all.to_vec()),
        ] {
            let body = |mode: Value| {
                let mut body = json!({ "input": "I sing.", "include_return_message_types": types });
                body.as_object_mut().unwrap().extend(mode.as_object().unwrap().clone());
                body
            };
            let turn = || [insert("Sings.").reasoning("A fact."), Answer::text("Noted.")];
            app.model.push_all(turn());
            let answer = app.post(&path, body(json!({}))).await.expect_json();
            assert_eq!(kinds(answer["messages"].as_array().unwrap()), expected, "whole, {types}");

            for tokens in [false, true] {
                app.model.push_all(turn());
                let mode = body(json!({ "streaming": true, "stream_tokens": tokens }));
                let events = app.client.stream(&path, &mode).await.unwrap().collect().await.unwrap();
                let frames: Vec<Value> = events[..events.len() - 1].iter().map(|event| event.json()).collect();
                let mut told = kinds(&frames);
                told.dedup();
                let mut wanted = vec!["ping"];
                wanted.extend(&expected);
                wanted.extend(["stop_reason", "usage_statistics"]);
                assert_eq!(told, wanted, "streamed, {tokens}, {types}");
            }

            app.model.push_all(turn());
            let run = app.post(&format!("{path}/async"), body(json!({}))).await.expect_json();
            app.ended(id(&run)).await;
            let of_run = app.list(&format!("/v1/runs/{}/messages", id(&run))).await;
            let of_run = kinds(of_run.as_array().unwrap());
            let asks_for_all = expected.len() == all.len();
            let wanted: Vec<&str> = match types.as_array().is_some_and(|types| types.contains(&json!("user_message"))) {
                true => vec!["user_message"],
                false if asks_for_all => std::iter::once("user_message").chain(expected).collect(),
                false => expected,
            };
            assert_eq!(of_run, wanted, "in the background, {types}");
        }
        assert_eq!(app.history(&agent).await.len(), 1 + 5 * 4 * 5, "all of it is stored");
    })
    .await;
}

#[tokio::test]
async fn one_step_is_a_turn_too_and_none_is_not() {
    on_each_database(async |app| {
        let agent = app.rememberer(json!({})).await;
        let path = format!("/v1/agents/{agent}/messages");
        for (answer, stop_reason) in [(Answer::text("Hello."), "end_turn"), (insert("x"), "max_steps")] {
            app.model.push(answer);
            let answer = app.post(&path, json!({ "input": "Hello.", "max_steps": 1 })).await.expect_json();
            assert_eq!(answer["stop_reason"]["stop_reason"], stop_reason);
            assert_eq!(answer["usage"]["step_count"], 1);
            let run = app.list(&format!("/v1/runs/?agent_id={agent}&limit=1")).await;
            assert_eq!((&run[0]["status"], &run[0]["stop_reason"]), (&json!("completed"), &json!(stop_reason)));
        }
        // What had no more steps goes on with the next message.
        app.model.push(Answer::text("Noted."));
        app.say(&agent, "And?").await.expect_json();
        assert_eq!(app.roles_asked(), ["system", "user", "assistant", "user", "assistant", "tool", "user"]);
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        for steps in [0, -1] {
            for path in [
                path.clone(),
                format!("{path}/stream"),
                format!("{path}/async"),
                format!("/v1/conversations/{}/messages", id(&made)),
            ] {
                assert_error(&app.post(&path, json!({ "input": "x", "max_steps": steps })).await, 422, "max_steps");
            }
        }
        assert_eq!(app.list(&format!("/v1/runs/?agent_id={agent}")).await.as_array().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn the_words_of_an_older_agent_are_shown_as_calls_to_who_asks_for_that() {
    on_each_database(async |app| {
        let fields = json!({ "agent_type": "memgpt_v2_agent", "reasoning": true });
        let agent = app.new_agent(fields).await;
        let path = format!("/v1/agents/{agent}/messages");
        let says = || Answer::tool_call("send_message", json!({ "thinking": "Hm.", "message": "Hello." }));
        for (as_words, expected) in [
            (true, vec!["reasoning_message", "assistant_message"]),
            (false, vec!["reasoning_message", "tool_call_message", "tool_return_message"]),
        ] {
            let option = json!({ "input": "Hello.", "use_assistant_message": as_words });
            app.model.push(says());
            let answer = app.post(&path, option.clone()).await.expect_json();
            assert_eq!(kinds(answer["messages"].as_array().unwrap()), expected);
            for tokens in [false, true] {
                app.model.push(says());
                let mut body = option.clone();
                body.as_object_mut()
                    .unwrap()
                    .extend([("streaming".to_owned(), json!(true)), ("stream_tokens".to_owned(), json!(tokens))]);
                let events = app.client.stream(&path, &body).await.unwrap().collect().await.unwrap();
                let frames: Vec<Value> = events[..events.len() - 1].iter().map(|event| event.json()).collect();
                let mut told = kinds(&frames);
                told.dedup();
                assert_eq!(told[1..told.len() - 2], expected, "tokens: {tokens}");
            }
            let run = answer["messages"][0]["run_id"].as_str().unwrap();
            let of_run = app.list(&format!("/v1/runs/{run}/messages")).await;
            assert_eq!(kinds(of_run.as_array().unwrap())[1..], expected[..], "as it was asked for");
            let listed = app.list(&format!("{path}?limit=2&use_assistant_message={as_words}")).await;
            let listed = listed.as_array().unwrap();
            let last = kinds(listed).pop().unwrap().to_owned();
            assert_eq!(last, *expected.last().unwrap());
        }
    })
    .await;
}
