//! Compaction by hand: `POST /v1/agents/{agent_id}/summarize` and `POST /v1/conversations/{conversation_id}/compact`.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

impl App {
    /// An agent that was told some things, each of which it has understood.
    async fn told(&mut self, facts: &[&str]) -> String {
        let settings = json!({ "model": MODEL, "mode": "all" });
        let agent = id(&self.agent(json!({ "compaction_settings": settings })).await).to_owned();
        self.tell(&format!("/v1/agents/{agent}/messages"), facts).await;
        agent
    }

    async fn tell(&mut self, path: &str, facts: &[&str]) {
        for fact in facts {
            self.post(path, json!({ "input": fact, "streaming": false })).await.expect_json();
        }
    }

    async fn summarize(&mut self, agent: &str, settings: Value) -> Value {
        let path = format!("/v1/agents/{agent}/summarize");
        self.post(&path, json!({ "compaction_settings": settings })).await.expect_json()
    }

    async fn in_context(&mut self, agent: &str) -> Vec<Value> {
        self.get(&format!("/v1/agents/{agent}")).await.expect_json()["message_ids"].as_array().unwrap().clone()
    }

    /// What is listed of the agent, oldest first.
    async fn listing(&mut self, agent: &str, query: &str) -> Value {
        self.list(&format!("/v1/agents/{agent}/messages?order=asc&limit=100{query}")).await
    }
}

#[tokio::test]
async fn a_summary_takes_the_place_of_all_but_the_system_message() {
    on_each_database(async |app| {
        let agent = app.told(&["I like tea.", "My cat is Muru."]).await;
        let before = app.listing(&agent, "").await;
        app.model.push(Answer::text("Tea and a cat called Muru."));
        let answer = app.post(&format!("/v1/agents/{agent}/summarize"), Value::Null).await.expect_json();
        assert_eq!(
            answer,
            json!({ "summary": "Tea and a cat called Muru.", "num_messages_before": 5, "num_messages_after": 2 })
        );
        assert_eq!(app.in_context(&agent).await.len(), 2);

        // What has left is still listed, and found by its words.
        let after = app.listing(&agent, "").await;
        assert_eq!(each(&after, "id")[..5], each(&before, "id")[..]);
        let found = app.post("/v1/messages/search", json!({ "query": "Muru", "agent_id": agent })).await.expect_json();
        assert!(!found.as_array().unwrap().is_empty());

        // Old clients see an envelope, those that ask for it the summary itself.
        let shown = after.as_array().unwrap().last().unwrap();
        assert_eq!(shown["message_type"], "user_message");
        let envelope: Value = serde_json::from_str(shown["content"].as_str().unwrap()).unwrap();
        assert_eq!(envelope["type"], "system_alert");
        assert!(envelope["message"].as_str().unwrap().ends_with("Tea and a cat called Muru."));
        let stats = &envelope["compaction_stats"];
        assert_eq!((&stats["messages_count_before"], &stats["messages_count_after"]), (&json!(5), &json!(2)));
        let named = app.listing(&agent, "&include_return_message_types=summary_message").await;
        assert_eq!(each(&named, "message_type"), ["summary_message"]);
        assert!(named[0]["summary"].as_str().unwrap().ends_with("Tea and a cat called Muru."));

        // The model reads the summary as what the user says, and goes on.
        app.tell(&format!("/v1/agents/{agent}/messages"), &["What is my cat called?"]).await;
        let request = app.model.last_request();
        assert_eq!(request.messages().len(), 3);
        assert!(request.messages()[1]["content"].as_str().unwrap().contains("Tea and a cat called Muru."));
    })
    .await;
}

#[tokio::test]
async fn settings_of_a_request_go_over_the_agents_for_this_time() {
    on_each_database(async |app| {
        let agent = app.told(&["One.", "Two.", "Three.", "Four.", "Five."]).await;
        let before = app.get(&format!("/v1/agents/{agent}")).await.expect_json()["compaction_settings"].clone();
        app.model.push(Answer::text("The first ones."));
        let answer = app.summarize(&agent, json!({ "mode": "sliding_window" })).await;
        assert_eq!((&answer["num_messages_before"], &answer["num_messages_after"]), (&json!(11), &json!(9)));
        assert!(app.model.last_request().system().unwrap().contains("older part"), "the prompt of the mode");
        let after = app.get(&format!("/v1/agents/{agent}")).await.expect_json()["compaction_settings"].clone();
        assert_eq!(after, before);

        app.model.push(Answer::text("Everything, at length."));
        let answer = app.summarize(&agent, json!({ "prompt": "Sum up.", "clip_chars": 10 })).await;
        assert_eq!(answer["summary"], "Everything... [summary truncated to fit]");
        assert_eq!(app.model.last_request().system().as_deref(), Some("Sum up."));
        assert!(app.model.last_request().last_user().unwrap().contains("[summary] The first ones."));
        let unknown = json!({ "compaction_settings": { "mode": "shortest" } });
        assert_eq!(app.post(&format!("/v1/agents/{agent}/summarize"), unknown).await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn where_there_is_nothing_to_compact_no_model_is_asked() {
    on_each_database(async |app| {
        let agent = app.told(&[]).await;
        let path = format!("/v1/agents/{agent}/summarize");
        let nothing = app.post(&path, json!({})).await.expect_json();
        assert_eq!(nothing, json!({ "summary": "", "num_messages_before": 1, "num_messages_after": 1 }));
        app.tell(&format!("/v1/agents/{agent}/messages"), &["Hello."]).await;
        app.model.push(Answer::text("A greeting."));
        app.post(&path, json!({})).await.expect_json();
        let asked = app.model.requests().len();
        let again = app.post(&path, json!({})).await.expect_json();
        assert_eq!(again, json!({ "summary": "A greeting.", "num_messages_before": 2, "num_messages_after": 2 }));
        assert_eq!(app.model.requests().len(), asked);

        let nobody = "agent-00000000-0000-4000-8000-000000000000";
        assert_error(&app.post(&format!("/v1/agents/{nobody}/summarize"), json!({})).await, 404, nobody);
    })
    .await;
}

#[tokio::test]
async fn what_would_not_become_fewer_stays_as_it_is() {
    on_each_database(async |app| {
        let agent = app.told(&["Hello."]).await;
        // All that could leave is one message.
        let ids = app.in_context(&agent).await;
        app.patch(&format!("/v1/agents/{agent}"), json!({ "message_ids": ids[..2] })).await.expect_json();
        let asked = app.model.requests().len();
        let answer = app.post(&format!("/v1/agents/{agent}/summarize"), json!({})).await;
        assert_error(&answer, 400, "Summarization failed to reduce the number of messages.");
        assert_eq!(app.model.requests().len(), asked);
        assert_eq!(app.in_context(&agent).await, ids[..2]);
    })
    .await;
}

#[tokio::test]
async fn a_model_that_fails_leaves_the_context_as_it_is() {
    on_each_database(async |app| {
        let agent = app.told(&["Hello.", "Bye."]).await;
        let ids = app.in_context(&agent).await;
        app.model.push(Answer::error(400, "No summaries today."));
        let answer = app.post(&format!("/v1/agents/{agent}/summarize"), json!({})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("No summaries today."));
        assert_eq!(app.in_context(&agent).await, ids);
        app.tell(&format!("/v1/agents/{agent}/messages"), &["Still there?"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_compaction_and_a_turn_wait_for_each_other() {
    on_each_database(async |app| {
        let agent = app.told(&["Hello.", "Bye."]).await;
        app.model.push(Answer::text("Both of them.").held());
        let (mut compacting, mut sending) = (app.client(), app.client());
        let path = format!("/v1/agents/{agent}/summarize");
        let compaction = tokio::spawn(async move { compacting.post(&path, &json!({})).await.unwrap() });
        app.asked(3).await;
        let path = format!("/v1/agents/{agent}/messages");
        let body = json!({ "input": "Back again." });
        let turn = tokio::spawn(async move { sending.post(&path, &body).await.unwrap() });
        app.active(1).await;
        assert_eq!(app.model.requests().len(), 3, "the turn waits");
        app.model.release();
        turn.await.unwrap().expect_json();
        assert_eq!(compaction.await.unwrap().expect_json()["num_messages_after"], 2);
        // The turn came after: it saw the summary, and its messages are behind it.
        assert!(app.model.last_request().messages()[1]["content"].as_str().unwrap().contains("Both of them."));
        assert_eq!(app.in_context(&agent).await.len(), 4);
        app.patch(&format!("/v1/agents/{agent}/reset-messages"), json!({})).await.expect_json();
        assert_eq!(app.in_context(&agent).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_is_compacted_alone() {
    on_each_database(async |app| {
        let agent = app.told(&["In the default history."]).await;
        let mut conversations = Vec::new();
        for _ in 0..2 {
            let past = ["Hello.", "Bye."].map(|text| {
                [json!({ "role": "user", "content": text }), json!({ "role": "assistant", "content": "Understood." })]
            });
            let body = json!({ "messages": past.as_flattened() });
            let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), body).await.expect_json();
            conversations.push(id(&made).to_owned());
        }
        let context = async |app: &mut App, conversation: &str| {
            let path = format!("/v1/conversations/{conversation}");
            app.get(&path).await.expect_json()["in_context_message_ids"].as_array().unwrap().clone()
        };
        let [first, second] = [conversations[0].clone(), conversations[1].clone()];
        let others = (context(app, &second).await, app.in_context(&agent).await);
        app.model.push(Answer::text("They said hello and bye."));
        let path = format!("/v1/conversations/{first}/compact");
        let answer = app.post(&path, json!({})).await.expect_json();
        assert_eq!(
            answer,
            json!({ "summary": "They said hello and bye.", "num_messages_before": 5, "num_messages_after": 2 })
        );
        assert_eq!(context(app, &first).await.len(), 2);
        assert_eq!((context(app, &second).await, app.in_context(&agent).await), others);
        let listed = app.list(&format!("/v1/conversations/{first}/messages?order=asc")).await;
        assert_eq!(listed.as_array().unwrap().len(), 6, "{listed}");
        assert_eq!(app.post(&path, Value::Null).await.expect_json()["summary"], "They said hello and bye.");

        // The default history goes by the agent's id, or by the word with the agent beside it.
        app.model.push(Answer::text("Default."));
        let default = app.post("/v1/conversations/default/compact", json!({ "agent_id": agent })).await.expect_json();
        assert_eq!((&default["num_messages_after"], app.in_context(&agent).await.len()), (&json!(2), 2));
        let again = app.post(&format!("/v1/conversations/{agent}/compact"), json!({})).await.expect_json();
        assert_eq!(again["summary"], "Default.");
    })
    .await;
}

#[tokio::test]
async fn a_conversation_without_messages_has_nothing_to_compact() {
    on_each_database(async |app| {
        let agent = app.told(&[]).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let answer = app.post(&format!("/v1/conversations/{}/compact", id(&made)), json!({})).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(app.model.requests().is_empty());
        let nobody = "conv-00000000-0000-4000-8000-000000000000";
        assert_error(&app.post(&format!("/v1/conversations/{nobody}/compact"), json!({})).await, 404, nobody);
    })
    .await;
}

#[tokio::test]
async fn the_context_overview_counts_what_a_known_model_would() {
    on_each_database(async |app| {
        let settings = json!({ "provider_name": "openai", "model": "gpt-4o", "model_endpoint_type": "openai",
            "context_window": 8192, "model_endpoint": null });
        let body = json!({ "llm_config": settings, "system": "hello world", "include_base_tools": false });
        let agent = app.post("/v1/agents/", body).await.expect_json();
        let overview = app.get(&format!("/v1/agents/{}/context", id(&agent))).await.expect_json();
        assert_eq!(overview["num_tokens_system"], 2);
        let agent = app.agent(json!({ "system": "hello world", "include_base_tools": false })).await;
        let overview = app.get(&format!("/v1/agents/{}/context", id(&agent))).await.expect_json();
        assert_eq!(overview["num_tokens_system"], 3, "11 bytes, a token for four");
    })
    .await;
}
