//! Conversations go on from where others are, and have their system messages rendered anew.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{UNKNOWN, UNKNOWN_AGENT, context};
use crate::harness::{MODEL, assert_error, each, id, on_each_database};

#[tokio::test]
async fn a_fork_shares_what_is_in_context_but_for_the_system_message() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "Ada" }] })).await;
        let body = json!({ "summary": "Source", "model": MODEL, "isolated_block_labels": ["human"],
            "model_settings": { "provider_type": "openai", "temperature": 0.5 } });
        let source = app.conversation(&agent, body).await;
        app.import(id(&source), &["one", "two", "three"]).await;
        app.compact(&source).await;
        let source = app.again(&source).await;
        let isolated = format!("/v1/blocks/{}", source["isolated_block_ids"][0].as_str().unwrap());
        app.patch(&isolated, json!({ "value": "Grace" })).await.expect_json();

        let fork = app.post(&format!("/v1/conversations/{}/fork", id(&source)), Value::Null).await.expect_json();
        assert_eq!((&fork["agent_id"], &fork["summary"]), (&agent["id"], &Value::Null));
        assert_eq!((&fork["model"], &fork["model_settings"]), (&source["model"], &source["model_settings"]));
        assert_eq!(context(&fork)[1..], context(&source)[1..]);
        assert_ne!(context(&fork)[0], context(&source)[0]);
        assert_eq!(app.again(&fork).await, fork);
        // What had left the context is no part of it.
        let listed = each(&app.list(&format!("/v1/conversations/{}/messages?order=asc", id(&fork))).await, "id");
        assert_eq!(listed, context(&fork));
        let text = app.system_text(&fork).await;
        assert!(text.contains(&format!("CONVERSATION_ID: {}", id(&fork))) && text.contains("Grace"), "{text}");
        assert_ne!(fork["isolated_block_ids"], source["isolated_block_ids"]);

        // Each goes its own way.
        app.import(id(&fork), &["four"]).await;
        assert_eq!(context(&app.again(&source).await), context(&source));
        assert_eq!(context(&app.again(&fork).await).len(), 4);
        assert!(app.list(&format!("/v1/agents/{}", id(&agent))).await["message_ids"] == agent["message_ids"]);
    })
    .await;
}

#[tokio::test]
async fn shared_messages_live_as_long_as_one_of_their_conversations() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let source = app.conversation(&agent, json!({})).await;
        let shared = app.import(id(&source), &["shared"]).await.remove(0);
        let fork = |of: &Value| format!("/v1/conversations/{}/fork", id(of));
        let first = app.post(&fork(&source), Value::Null).await.expect_json();
        let second = app.post(&fork(&first), Value::Null).await.expect_json();
        let message = format!("/v1/messages/{shared}");
        app.delete(&format!("/v1/conversations/{}", id(&second))).await.expect_json();
        assert!(context(&app.again(&source).await).contains(&shared));
        app.delete(&format!("/v1/conversations/{}", id(&source))).await.expect_json();
        assert!(context(&app.again(&first).await).contains(&shared));
        assert_eq!(app.list(&message).await[0]["content"], "shared");
        app.delete(&format!("/v1/conversations/{}", id(&first))).await.expect_json();
        assert_error(&app.get(&message).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_default_history_is_forked_by_either_name_and_stays_whole() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let messages = format!("/v1/agents/{}/messages", id(&agent));
        app.model.push(Answer::text("Hello to you."));
        app.post(&messages, json!({ "input": "Hello." })).await.expect_json();
        let before = app.list(&format!("/v1/agents/{}", id(&agent))).await["message_ids"].clone();
        let names = [format!("default/fork?agent_id={}", id(&agent)), format!("{}/fork", id(&agent))];
        for name in names {
            let fork = app.post(&format!("/v1/conversations/{name}"), Value::Null).await.expect_json();
            assert_eq!(context(&fork)[1..], before.as_array().unwrap()[1..]);
            assert_eq!((&fork["model"], &fork["model_settings"]), (&Value::Null, &Value::Null));
            app.delete(&format!("/v1/conversations/{}", id(&fork))).await.expect_json();
        }
        assert_eq!(app.list(&format!("/v1/agents/{}", id(&agent))).await["message_ids"], before);
        let default = app.list(&format!("{messages}?conversation_id=default")).await;
        assert_eq!(default.as_array().unwrap().len(), 3);
        for (path, status, fragment) in [
            ("default/fork".to_owned(), 404, "agent_id"),
            (format!("default/fork?agent_id={UNKNOWN_AGENT}"), 404, "Agent with ID"),
            (format!("{UNKNOWN_AGENT}/fork"), 404, "Agent with ID"),
            (format!("{UNKNOWN}/fork"), 404, "Conversation with ID"),
            ("default/fork?agent_id=bob".to_owned(), 400, "INVALID_ARGUMENT: Invalid agent ID"),
            ("nonsense/fork".to_owned(), 422, "agent-{uuid4}"),
        ] {
            assert_error(&app.post(&format!("/v1/conversations/{path}"), Value::Null).await, status, fragment);
        }
    })
    .await;
}

#[tokio::test]
async fn a_fork_goes_as_far_as_a_message() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let source = app.conversation(&agent, json!({ "context_window_limit": 5000 })).await;
        let ids = app.import(id(&source), &["one", "two", "three"]).await;
        let path = format!("/v1/conversations/{}/fork?message_id=", id(&source));
        let fork = app.post(&format!("{path}{}&hidden=true", ids[1]), Value::Null).await.expect_json();
        assert_eq!(context(&fork)[1..], ids[..2]);
        assert_eq!(fork["context_window_limit"], 5000);
        assert_eq!(each(&app.list("/v1/conversations/").await, "id"), [id(&source)]);
        let only = app.post(&format!("{path}{}", context(&source)[0]), Value::Null).await.expect_json();
        assert_eq!(context(&only).len(), 1);
        let elsewhere = agent["message_ids"][0].as_str().unwrap();
        assert_error(&app.post(&format!("{path}{elsewhere}"), Value::Null).await, 404, "not in the context");
    })
    .await;
}

#[tokio::test]
async fn an_empty_conversation_is_forked_into_an_empty_one() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let source = app.conversation(&agent, json!({})).await;
        let fork = app.post(&format!("/v1/conversations/{}/fork", id(&source)), Value::Null).await.expect_json();
        assert_eq!(context(&fork).len(), 1);
        assert_ne!(context(&fork), context(&source));
    })
    .await;
}

#[tokio::test]
async fn a_system_message_is_rendered_anew_when_asked_for() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "Ada" }] })).await;
        let made = app.conversation(&agent, json!({})).await;
        let before = app.system_text(&made).await;
        let block = format!("/v1/agents/{}/core-memory/blocks/human", id(&agent));
        app.patch(&block, json!({ "value": "Grace" })).await.expect_json();
        let recompile = format!("/v1/conversations/{}/recompile", id(&made));
        let shown = app.post(&format!("{recompile}?dry_run=true"), json!({})).await.expect_json();
        assert_eq!(shown, before.replace("Ada", "Grace").replace("chars_current=3", "chars_current=5"));
        assert_eq!(app.system_text(&made).await, before);
        assert_eq!(app.post(&recompile, json!({})).await.expect_json(), shown);
        assert_eq!(app.system_text(&made).await, shown);
        assert_eq!(context(&app.again(&made).await), context(&made));

        // A default history, by its agent's name and with the agent beside it.
        let by_name = app.post(&format!("/v1/conversations/{}/recompile", id(&agent)), Value::Null).await.expect_json();
        let of_agent = json!({ "agent_id": id(&agent) });
        let beside = app.post("/v1/conversations/default/recompile", of_agent).await.expect_json();
        assert_eq!(by_name, beside);
        assert!(beside.as_str().unwrap().contains("- CONVERSATION_ID: default"));
        assert_error(&app.post("/v1/conversations/default/recompile", json!({})).await, 404, "agent_id");
        assert_error(&app.post(&format!("/v1/conversations/{UNKNOWN}/recompile"), json!({})).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_context_without_a_system_message_cannot_be_rendered() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let message = app.import(id(&made), &["Hello."]).await.remove(0);
        let recompile = format!("/v1/conversations/{}/recompile", id(&made));
        for (context, fragment) in [
            (vec![message], "Conversation does not have a system message in the first position."),
            (Vec::new(), "No in-context messages found for this conversation."),
        ] {
            let history = super::history(&made);
            app.write(move |conn| {
                let ids: Vec<_> = context.iter().map(|id| id.parse().unwrap()).collect();
                muisti_api::managers::orm::histories::replace(conn, &super::DEFAULT_ACTOR, &history, &ids)
            })
            .await;
            assert_error(&app.post(&recompile, Value::Null).await, 400, fragment);
        }
    })
    .await;
}
