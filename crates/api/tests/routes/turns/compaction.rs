//! Histories that outgrow the window while turns go on: what gives way to a summary, and who sees it.

use muisti_testkit::{Answer, SeenRequest};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{App, LIMIT, each, id, on_each_database};

const WINDOW: i64 = 8_192;
/// More than nine tenths of the window.
const FULL: u64 = 7_500;

/// Whether a model is asked for a summary.
pub(super) fn summarises(request: &SeenRequest) -> bool {
    request.last_text().starts_with("<start_transcript>")
}

/// The texts of these roles that the model is sent.
pub(super) fn sent(request: &SeenRequest, role: &str) -> Vec<String> {
    let rows = request.messages().iter().filter(|message| message["role"] == role);
    rows.map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Asserts that what a model is sent has a return for each call, and a call for each return.
#[track_caller]
pub(super) fn assert_paired(request: &SeenRequest) {
    let mut open: Vec<&str> = Vec::new();
    for message in request.messages() {
        match message["role"].as_str().unwrap() {
            "assistant" => {
                assert!(open.is_empty(), "calls without returns: {open:?}");
                let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
                open.extend(calls.iter().map(|call| call["id"].as_str().unwrap()));
            }
            "tool" => {
                let call = message["tool_call_id"].as_str().unwrap();
                let place = open.iter().position(|open| *open == call).expect("a return has its call");
                open.remove(place);
            }
            _ => assert!(open.is_empty(), "calls without returns: {open:?}"),
        }
    }
}

impl App {
    /// An agent with little to say of itself, in a window of 8,192 tokens.
    pub(super) async fn brief_agent(&mut self, mode: &str, fields: Value) -> String {
        let mut body = json!({
            "system": "Be brief.", "include_base_tools": false, "context_window_limit": WINDOW,
            "compaction_settings": { "mode": mode },
            "memory_blocks": [{ "label": "human", "value": "Their cat is called Muru." }],
        });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.new_agent(body).await
    }

    /// Some turns that leave room.
    pub(super) async fn chat(&mut self, agent: &str, turns: usize) {
        for number in 0..turns {
            self.model.push(Answer::text(&format!("Answer {number}.")).usage(100, 10));
            self.say(agent, &format!("Question {number}.")).await.expect_json();
        }
    }

    pub(super) async fn context_ids(&mut self, agent: &str) -> Vec<String> {
        let state = self.list(&format!("/v1/agents/{agent}")).await;
        state["message_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// The summaries, the oldest first, as they are shown to whom asks for them.
    pub(super) async fn summaries(&mut self, agent: &str) -> Vec<Value> {
        // The newest page, which is the oldest first like every other.
        let query = "order=desc&limit=1000&include_return_message_types=summary_message";
        let newest = self.list(&format!("/v1/agents/{agent}/messages?{query}")).await;
        newest.as_array().unwrap().clone()
    }

    /// Sends a body and gives what the client sees of the turn, but for pings.
    async fn shown(&mut self, agent: &str, body: Value) -> Vec<Value> {
        let path = format!("/v1/agents/{agent}/messages");
        if body["streaming"] != true {
            let answer = self.post(&path, body).await.expect_json();
            let mut shown = answer["messages"].as_array().unwrap().clone();
            shown.extend([answer["stop_reason"].clone(), answer["usage"].clone()]);
            return shown;
        }
        let events = self.client.stream(&path, &body).await.unwrap().collect().await.unwrap();
        let (done, events) = events.split_last().unwrap();
        assert!(done.is_done());
        events.iter().map(muisti_testkit::SseEvent::json).filter(|event| event["message_type"] != "ping").collect()
    }
}

#[tokio::test]
async fn a_last_step_that_nearly_fills_the_window_is_followed_by_a_summary() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 3).await;
        let before = app.context_ids(&agent).await;
        app.model.push(Answer::text("Tight.").usage(FULL, 50));
        app.model.push(Answer::text("They asked a lot."));
        let answer = app.say(&agent, "One more.").await.expect_json();

        assert_eq!(kinds(answer["messages"].as_array().unwrap()), ["assistant_message"]);
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let left = answer["usage"]["context_tokens"].as_i64().unwrap();
        assert!(left < 2_000, "{left} tokens are left in context");
        assert_eq!(answer["usage"]["total_tokens"], FULL + 50);

        let context = app.context_ids(&agent).await;
        assert_eq!((context.len(), &context[0]), (2, &before[0]));
        let listed = app.history(&agent).await;
        assert_eq!(listed.len(), 1 + 4 * 2 + 1, "everything stays listed");
        let summary = listed.last().unwrap();
        assert_eq!(summary["id"], context[1]);
        assert_eq!(summary["message_type"], "user_message");
        let envelope: Value = serde_json::from_str(summary["content"].as_str().unwrap()).unwrap();
        let stats = &envelope["compaction_stats"];
        assert_eq!(stats["trigger"], "post_step_context_check");
        assert_eq!(
            (&stats["context_tokens_before"], &stats["context_tokens_after"]),
            (&json!(FULL + 50), &json!(left))
        );
        assert_eq!((&stats["messages_count_before"], &stats["messages_count_after"]), (&json!(9), &json!(2)));
        assert_eq!(stats["context_window"], WINDOW);
        let said = answer["messages"][0].clone();
        assert_eq!((&summary["run_id"], &summary["step_id"]), (&said["run_id"], &said["step_id"]));
        assert!(said["run_id"].is_string() && said["step_id"].is_string());
        let named = app.summaries(&agent).await;
        assert_eq!(named.len(), 1);
        assert_eq!(named[0]["summary"], "They asked a lot.");
        let run = app.list(&format!("/v1/runs/{}", said["run_id"].as_str().unwrap())).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")));

        // The next turn reads the memory and the summary.
        app.say(&agent, "And now?").await.expect_json();
        let request = app.model.last_request();
        assert!(request.system().unwrap().contains("Their cat is called Muru."));
        let users = sent(&request, "user");
        assert!(users.len() == 2 && users[0].contains("They asked a lot.") && users[1] == "And now?", "{users:?}");
    })
    .await;
}

#[tokio::test]
async fn a_sliding_window_leaves_the_newest_in_sight() {
    on_each_database(async |app| {
        let agent = app.brief_agent("sliding_window", json!({})).await;
        app.chat(&agent, 6).await;
        app.model.push(Answer::text("Tight.").usage(FULL, 50));
        app.model.push(Answer::text("The beginning."));
        app.say(&agent, "Question 6.").await.expect_json();
        app.say(&agent, "Question 7.").await.expect_json();
        let users = sent(&app.model.last_request(), "user");
        assert!(users[0].contains("The beginning.") && users[0].contains("messages before this one"), "{users:?}");
        assert_eq!(users[users.len() - 2..], ["Question 6.", "Question 7."]);
        assert!(users.len() > 3 && !users.iter().any(|text| text == "Question 0."), "{users:?}");
    })
    .await;
}

#[tokio::test]
async fn a_window_is_not_full_until_nine_tenths_of_it() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 2).await;
        app.model.push(Answer::text("Nearly.").usage(7_362, 10));
        app.say(&agent, "Fits?").await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), 7);
        app.model.push(Answer::text("Over.").usage(7_363, 10));
        app.say(&agent, "And now?").await.expect_json();
        assert_eq!(app.context_ids(&agent).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_model_that_tells_no_usage_is_estimated() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        for number in 0..3 {
            app.model.push(Answer::text(&"word ".repeat(1_700)).without_usage());
            if number == 2 {
                app.model.push(Answer::text("Words."));
            }
            app.say(&agent, "More words.").await.expect_json();
        }
        assert_eq!(app.context_ids(&agent).await.len(), 2);
        let stats = app.summaries(&agent).await[0]["compaction_stats"].clone();
        assert!(stats["context_tokens_before"].as_i64().unwrap() > 7_372, "{stats}");
    })
    .await;
}

#[tokio::test]
async fn a_turn_goes_on_from_the_summary_of_its_own_beginning() {
    for mode in ["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"] {
        on_each_database(async |app| {
            let agent = app.brief_agent(mode, json!({"tools": ["memory_insert"]})).await;
            app.chat(&agent, 3).await;
            let insert = json!({"label": "human", "new_string": "Their dog is called Rekku."});
            app.model.push(Answer::tool_call("memory_insert", insert).usage(FULL, 50));
            app.model.push(Answer::text("They have pets."));
            app.model.push(Answer::text("Noted.").usage(300, 10));
            let answer = app.say(&agent, "I have a dog, too.").await.expect_json();
            assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
            assert_eq!(answer["usage"]["context_tokens"], 310);
            let shown = kinds(answer["messages"].as_array().unwrap());
            assert_eq!(shown, ["tool_call_message", "tool_return_message", "assistant_message"]);
            let request = app.model.last_request();
            assert_paired(&request);
            let system = request.system().unwrap();
            assert!(system.contains("Muru") && system.contains("Rekku"), "the memory as it is now: {system}");
            assert!(sent(&request, "user")[0].contains("They have pets."), "{mode}");
            // The summary belongs to the step that filled the window.
            let summary = &app.summaries(&agent).await[0];
            assert_eq!(summary["step_id"], answer["messages"][0]["step_id"]);
            assert_eq!(summary["run_id"], answer["messages"][0]["run_id"]);
            let context = app.context_ids(&agent).await;
            assert_eq!(context[1], summary["id"].as_str().unwrap());
            assert_eq!(*context.last().unwrap(), answer["messages"][2]["id"]);
            assert_eq!(app.history(&agent).await.len(), 1 + 6 + 4 + 1);
        })
        .await;
    }
}

#[tokio::test]
async fn a_compaction_is_shown_to_whom_asks_for_it_and_to_nobody_else() {
    on_each_database(async |app| {
        let ways = [
            json!({}),
            json!({"streaming": true}),
            json!({"streaming": true, "stream_tokens": true}),
            json!({"streaming": true, "background": true}),
            json!({"streaming": true, "stream_tokens": true, "background": true}),
        ];
        for way in ways {
            for wanted in [true, false] {
                let agent = app.brief_agent("all", json!({})).await;
                app.chat(&agent, 2).await;
                app.model.push(Answer { chunks: vec!["Tight.".to_owned()], ..Answer::default() }.usage(FULL, 50));
                app.model.push(Answer::text("In short."));
                let mut body = json!({"input": "One more.", "include_compaction_messages": wanted});
                body.as_object_mut().unwrap().extend(way.as_object().unwrap().clone());
                if way["background"] != true {
                    body["include_return_message_types"] =
                        json!(["assistant_message", "summary_message", "event_message"]);
                }
                let shown = app.shown(&agent, body).await;
                if !wanted {
                    assert_eq!(kinds(&shown), ["assistant_message", "stop_reason", "usage_statistics"], "{way}");
                    continue;
                }
                let expected =
                    ["assistant_message", "event_message", "summary_message", "stop_reason", "usage_statistics"];
                assert_eq!(kinds(&shown), expected, "{way}");
                let [said, event, summary] = [&shown[0], &shown[1], &shown[2]];
                assert_eq!(event["event_type"], "compaction");
                assert_eq!(
                    event["event_data"],
                    json!({"trigger": "post_step_context_check", "context_token_estimate": FULL + 50,
                        "context_window": WINDOW})
                );
                assert!(!event["id"].as_str().unwrap().starts_with("message-"), "{event}");
                assert_eq!(summary["summary"], "In short.");
                assert_eq!(summary["compaction_stats"]["messages_count_after"], 2);
                for told in [event, summary] {
                    assert_eq!((&told["run_id"], &told["step_id"]), (&said["run_id"], &said["step_id"]), "{way}");
                }
                assert_eq!(app.context_ids(&agent).await[1], summary["id"].as_str().unwrap());
                assert_eq!(app.summaries(&agent).await[0]["compaction_stats"], summary["compaction_stats"]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_compaction_only_what_is_named_is_shown_where_something_is_named() {
    on_each_database(async |app| {
        let cases = [
            (json!([]), &["assistant_message", "event_message", "summary_message"][..]),
            (json!(["summary_message"]), &["summary_message"]),
            (json!(["assistant_message"]), &["assistant_message"]),
        ];
        for (types, expected) in cases {
            for streaming in [true, false] {
                let agent = app.brief_agent("all", json!({})).await;
                app.chat(&agent, 2).await;
                app.model.push(Answer { chunks: vec!["Tight.".to_owned()], ..Answer::default() }.usage(FULL, 50));
                app.model.push(Answer::text("In short."));
                let body = json!({"input": "One more.", "include_compaction_messages": true, "streaming": streaming,
                    "include_return_message_types": types});
                let shown = app.shown(&agent, body).await;
                let shown = kinds(&shown);
                assert_eq!(shown[..shown.len() - 2], *expected, "{types}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_an_approval_stays_when_the_rest_is_summarised() {
    on_each_database(async |app| {
        let rules = json!([{"type": "requires_approval", "tool_name": "memory_insert"}]);
        let agent = app.brief_agent("all", json!({"tools": ["memory_insert"], "tool_rules": rules})).await;
        app.chat(&agent, 3).await;
        let insert = json!({"label": "human", "new_string": "Has a dog."});
        app.model.push(Answer::tool_call("memory_insert", insert).and_text("May I?").usage(FULL, 50));
        app.model.push(Answer::text("They have pets."));
        let asked = app.say(&agent, "I have a dog, too.").await.expect_json();
        assert_eq!(asked["stop_reason"]["stop_reason"], "requires_approval");
        assert_eq!(kinds(asked["messages"].as_array().unwrap()), ["assistant_message", "approval_request_message"]);
        let context = app.context_ids(&agent).await;
        assert_eq!(context.len(), 4, "the system message, the summary, what was said, the request");
        assert_eq!(context[3], asked["messages"][1]["id"].as_str().unwrap());
        let state = app.list(&format!("/v1/agents/{agent}?include=agent.pending_approval")).await;
        assert_eq!(state["pending_approval"]["id"], asked["messages"][1]["id"]);

        let call = &asked["messages"][1]["tool_calls"][0]["tool_call_id"];
        let decision = json!({"type": "approval", "tool_call_id": call, "approve": true});
        let body = json!({"messages": [{"type": "approval", "approvals": [decision]}]});
        app.model.push(Answer::text("Done."));
        let answer = app.post(&format!("/v1/agents/{agent}/messages"), body.clone()).await.expect_json();
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), ["tool_return_message", "assistant_message"]);
        assert_eq!(answer["messages"][0]["tool_returns"][0]["status"], "success");
        let request = app.model.last_request();
        assert_paired(&request);
        assert!(request.messages()[1]["content"].as_str().unwrap().contains("They have pets."));

        // The same answer again, after another compaction: it is known by the newest return of all that is listed.
        app.model.push(Answer::text("All of it."));
        let compacted = app.post(&format!("/v1/agents/{agent}/summarize"), json!({})).await.expect_json();
        assert_eq!(compacted["num_messages_after"], 2);
        app.post(&format!("/v1/agents/{agent}/messages"), body).await.expect_json();
        let request = app.model.last_request();
        assert!(request.last_text().contains("keep-alive"));
        assert!(request.system().unwrap().contains("Has a dog."));
    })
    .await;
}

#[tokio::test]
async fn a_conversation_is_compacted_in_its_turn_and_its_system_message_shows_what_has_changed() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 1).await;
        let default = app.context_ids(&agent).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let path = format!("/v1/conversations/{}/messages", id(&made));
        let say = |text: &str| json!({"input": text, "streaming": false});
        for number in 0..3 {
            app.model.push(Answer::text("Yes.").usage(100, 10));
            app.post(&path, say(&format!("Question {number}."))).await.expect_json();
        }
        let block = format!("/v1/agents/{agent}/core-memory/blocks/human");
        app.patch(&block, json!({"value": "Their cat is called Nöpö."})).await.expect_json();
        app.model.push(Answer::text("Tight.").usage(FULL, 50));
        app.model.push(Answer::text("They asked three things."));
        let answer = app.post(&path, say("Question 3.")).await.expect_json();
        assert!(app.model.requests()[4].system().unwrap().contains("Muru"), "until then it is as it was");
        let run = answer["messages"][0]["run_id"].clone();

        app.post(&path, say("And now?")).await.expect_json();
        let request = app.model.last_request();
        assert_eq!(request.messages().len(), 3);
        let system = request.system().unwrap();
        assert!(system.contains("Nöpö") && system.contains(&format!("CONVERSATION_ID: {}", id(&made))), "{system}");
        assert_eq!(app.context_ids(&agent).await, default);
        let state = app.list(&format!("/v1/conversations/{}", id(&made))).await;
        let context = state["in_context_message_ids"].as_array().unwrap();
        assert_eq!(context.len(), 4);
        let query = "?order=asc&limit=100&include_return_message_types=summary_message";
        let listed = app.list(&format!("{path}{query}")).await;
        assert_eq!((&listed[0]["id"], &listed[0]["run_id"]), (&context[1], &run));
        let all = app.list(&format!("{path}?order=asc&limit=100")).await;
        assert_eq!(all.as_array().unwrap().len(), 1 + 4 * 2 + 1 + 2);
    })
    .await;
}

#[tokio::test]
async fn an_older_agent_goes_on_after_a_compaction_as_before() {
    on_each_database(async |app| {
        let fields = json!({"agent_type": "memgpt_v2_agent", "include_base_tools": true, "reasoning": true});
        let agent = app.brief_agent("all", fields).await;
        let says = |words: &str| Answer::tool_call("send_message", json!({"thinking": "Hm.", "message": words}));
        for _ in 0..2 {
            app.model.push(says("Yes.").usage(100, 10));
            app.say(&agent, "Well?").await.expect_json();
        }
        let insert = json!({"thinking": "Keep it.", "label": "human", "new_string": "Has a dog.",
            "request_heartbeat": true});
        app.model.push(Answer::tool_call("memory_insert", insert).usage(FULL, 50));
        app.model.push(Answer::text("They have pets."));
        app.model.push(says("Noted.").usage(300, 10));
        let answer = app.say(&agent, "I have a dog, too.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(answer["messages"].as_array().unwrap().last().unwrap()["content"], "Noted.");
        let request = app.model.last_request();
        assert_paired(&request);
        assert!(request.system().unwrap().contains("Has a dog."));
        assert!(request.messages()[1]["content"].as_str().unwrap().contains("They have pets."));
        app.model.push(says("Rekku.").usage(300, 10));
        app.say(&agent, "What is it called?").await.expect_json();
        assert_paired(&app.model.last_request());
    })
    .await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_a_summary_is_written() {
    on_each_database(async |app| {
        let agent = app.brief_agent("all", json!({})).await;
        app.chat(&agent, 2).await;
        let context = app.context_ids(&agent).await;
        app.model.push(Answer::text("Tight.").usage(FULL, 50));
        app.model.push(Answer::hang());
        let mut sender = app.client();
        let path = format!("/v1/agents/{agent}/messages");
        let sending = tokio::spawn(async move { sender.post(&path, &json!({"input": "One more."})).await.unwrap() });
        app.asked(4).await;
        app.post(&format!("/v1/agents/{agent}/messages/cancel"), json!({})).await.expect_json();
        // Nobody waits for the summary, which would be given up after three minutes.
        let answer = tokio::time::timeout(LIMIT, sending).await.unwrap().unwrap().expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "cancelled");
        // The step was over: what it said stays.
        let after = app.context_ids(&agent).await;
        assert_eq!(after[..context.len()], context[..]);
        assert_eq!(after.len(), context.len() + 2);
        app.say(&agent, "Still there?").await.expect_json();
        let listed = app.history(&agent).await;
        assert_eq!(each(&listed.into(), "id").len(), 1 + 4 * 2);
    })
    .await;
}
