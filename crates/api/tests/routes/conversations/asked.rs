//! What the model is asked in a conversation, and which model.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{
    context,
    sends::{asked, kinds, messages_of},
};
use crate::harness::{App, assert_error, each, id, on_each_database};

#[tokio::test]
async fn what_is_said_in_a_conversation_stays_in_it() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        app.send(id(&agent), "In the default.").await.expect_json();
        let default = app.list(&format!("/v1/agents/{}", id(&agent))).await["message_ids"].clone();
        let made = app.conversation(&agent, json!({})).await;
        app.send(id(&made), "In the conversation.").await.expect_json();
        let request = app.model.last_request();
        assert_eq!(asked(&request), ["In the conversation."]);
        assert!(request.system().unwrap().contains(&format!("CONVERSATION_ID: {}", id(&made))));

        let made = app.again(&made).await;
        let listed = app.all_of(id(&made)).await;
        assert_eq!(kinds(&listed), ["system_message", "user_message", "assistant_message"]);
        assert_eq!(each(&json!(listed), "id"), context(&made));
        assert_eq!(app.list(&format!("/v1/agents/{}", id(&agent))).await["message_ids"], default);
        app.send(id(&agent), "In the default again.").await.expect_json();
        assert_eq!(asked(&app.model.last_request()), ["In the default.", "In the default again."]);
        assert_eq!(context(&app.again(&made).await), context(&made));

        // A list of the agent's has all, or those of one history.
        let of_agent = format!("/v1/agents/{}/messages?limit=100&order=asc", id(&agent));
        let count =
            async |app: &mut App, query: &str| app.list(&format!("{of_agent}{query}")).await.as_array().unwrap().len();
        assert_eq!(count(app, "").await, 8);
        assert_eq!(count(app, "&conversation_id=default").await, 5);
        assert_eq!(count(app, &format!("&conversation_id={}", id(&made))).await, 3);
    })
    .await;
}

#[tokio::test]
async fn the_model_reads_what_was_moved_in_and_what_a_fork_shares() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let past = json!([{ "role": "user", "content": "Long ago." }, { "role": "assistant", "content": "Indeed." }]);
        let source = app.conversation(&agent, json!({ "messages": past })).await;
        app.model.push(Answer::text("Yes."));
        app.send(id(&source), "Still there?").await.expect_json();
        let roles: Vec<_> = app.model.last_request().messages().iter().map(|message| message["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);

        let fork = app.post(&format!("/v1/conversations/{}/fork", id(&source)), Value::Null).await.expect_json();
        app.send(id(&fork), "In the fork.").await.expect_json();
        assert_eq!(asked(&app.model.last_request()), ["Long ago.", "Still there?", "In the fork."]);
        app.send(id(&source), "In the source.").await.expect_json();
        assert_eq!(asked(&app.model.last_request()), ["Long ago.", "Still there?", "In the source."]);
        assert_eq!(app.all_of(id(&fork)).await.len(), 7);
        let of_run = app.list(&format!("/v1/runs/?conversation_id={}", id(&fork))).await;
        assert_eq!(of_run.as_array().unwrap().len(), 1, "runs are not shared");
    })
    .await;
}

#[tokio::test]
async fn a_tool_edits_the_memory_that_a_conversation_has_for_itself() {
    on_each_database(async |app| {
        let blocks = json!([{ "label": "human", "value": "Unknown." }, { "label": "persona", "value": "Kind." }]);
        let agent = app.agent(json!({ "memory_blocks": blocks })).await;
        let made = app.conversation(&agent, json!({ "isolated_block_labels": ["human"] })).await;
        let insert =
            |label: &str, text: &str| Answer::tool_call("memory_insert", json!({ "label": label, "new_string": text }));
        app.model.push_all([insert("human", "Has a cat."), insert("persona", "Patient."), Answer::text("Noted.")]);
        app.send(id(&made), "I have a cat.").await.expect_json();
        let of_agent = async |app: &mut App, label: &str| {
            let path = format!("/v1/agents/{}/core-memory/blocks/{label}", id(&agent));
            app.list(&path).await["value"].as_str().unwrap().to_owned()
        };
        assert_eq!(of_agent(app, "human").await, "Unknown.");
        assert!(of_agent(app, "persona").await.contains("Patient."));
        let own = app.list(&format!("/v1/blocks/{}", made["isolated_block_ids"][0].as_str().unwrap())).await;
        assert!(own["value"].as_str().unwrap().contains("Has a cat."));

        // The prompt stays, so that providers can keep it, until it is made anew.
        app.send(id(&made), "What do I have?").await.expect_json();
        assert!(!app.model.last_request().system().unwrap().contains("Has a cat."));
        app.post(&format!("/v1/conversations/{}/recompile", id(&made)), Value::Null).await.expect_json();
        app.send(id(&made), "And now?").await.expect_json();
        let system = app.model.last_request().system().unwrap();
        assert!(system.contains("Has a cat.") && system.contains("Patient."), "{system}");

        app.model.push_all([insert("human", "Has a dog."), Answer::text("Noted.")]);
        app.send(id(&made), "And a dog.").await.expect_json();
        app.model.push(Answer::text("A cat and a dog."));
        app.post(&format!("/v1/conversations/{}/compact", id(&made)), json!({})).await.expect_json();
        app.send(id(&made), "What do I have?").await.expect_json();
        assert!(app.model.last_request().system().unwrap().contains("Has a dog."));

        app.send(id(&agent), "And in the default?").await.expect_json();
        let system = app.model.last_request().system().unwrap();
        assert!(system.contains("Unknown.") && !system.contains("Has a"), "{system}");
    })
    .await;
}

#[tokio::test]
async fn the_model_is_that_of_the_request_or_the_conversation_or_the_agent() {
    on_each_database(async |app| {
        let settings = |temperature: f64| json!({ "provider_type": "openai", "temperature": temperature });
        let agent = app.agent(json!({ "model_settings": settings(0.7), "context_window_limit": 9000 })).await;
        let other = "openai-proxy/scripted";
        let plain = app.conversation(&agent, json!({})).await;
        let settings_alone = app.conversation(&agent, json!({ "model_settings": settings(0.3) })).await;
        let own = app.conversation(&agent, json!({ "model": other, "model_settings": settings(0.2) })).await;
        let small = app.conversation(&agent, json!({ "model": other, "context_window_limit": 5000 })).await;
        for (conversation, override_model, temperature, handle, window) in [
            (&plain, Value::Null, 0.7, "openai/scripted", 9000),
            (&settings_alone, Value::Null, 0.7, "openai/scripted", 9000),
            (&own, Value::Null, 0.2, other, 9000),
            (&small, Value::Null, 1.0, other, 5000),
            (&own, json!("openai/scripted"), 1.0, "openai/scripted", 30_000),
        ] {
            let body = json!({ "input": "Hello.", "streaming": false, "override_model": override_model });
            let answer = app.post(&messages_of(id(conversation)), body).await.expect_json();
            assert_eq!(app.model.last_request().body["temperature"], temperature, "{conversation}");
            let step = answer["messages"][0]["step_id"].as_str().unwrap();
            let step = app.list(&format!("/v1/steps/{step}")).await;
            assert_eq!(step["model_handle"], handle);
            assert_eq!(step["context_window_limit"], window);
        }
        let body = json!({ "input": "Hello.", "streaming": false, "override_model": "openai/none" });
        assert_error(&app.post(&messages_of(id(&own)), body).await, 404, "openai/none");
        assert_eq!(app.again(&own).await["model"], other, "nothing of it is kept");
    })
    .await;
}

#[tokio::test]
async fn a_system_text_of_the_request_is_told_to_the_model_and_to_nobody_else() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let before = app.system_text(&made).await;
        for name in ["override_system", "system"] {
            let body = json!({ "input": "Hello.", "streaming": false, name: "Be brief." });
            app.post(&messages_of(id(&made)), body).await.expect_json();
            assert_eq!(app.model.last_request().system().as_deref(), Some("Be brief."));
        }
        assert_eq!(app.system_text(&made).await, before);
        app.send(id(&made), "Hello.").await.expect_json();
        assert_eq!(app.model.last_request().system(), Some(before));
    })
    .await;
}
