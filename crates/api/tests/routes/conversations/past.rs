//! What was said elsewhere, moved in.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::context;
use crate::harness::{assert_error, each, id, on_each_database};

fn past() -> Value {
    json!([
        { "role": "system", "content": "The shop is closed on Sundays.", "created_at": "2024-05-01T10:00:00Z" },
        { "role": "user", "content": "Do you have marmalade?", "created_at": "2024-05-01T10:00:01Z", "name": "Paddington" },
        { "role": "assistant", "content": [{ "type": "text", "text": "Of course." }], "created_at": 1_714_557_602, "otid": "m3" },
        { "role": "user", "content": "Wonderful." },
    ])
}

#[tokio::test]
async fn a_conversation_is_made_with_its_past() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({ "messages": past() })).await;
        assert_eq!(context(&made).len(), 5);
        let path = format!("/v1/conversations/{}/messages?order=asc", id(&made));
        let listed = app.list(&path).await;
        let types = ["system_message", "system_message", "user_message", "assistant_message", "user_message"];
        assert_eq!(each(&listed, "message_type"), types);
        assert_eq!(each(&listed, "id"), context(&made));
        assert_eq!(listed[2]["name"], "Paddington");
        assert_eq!(listed[2]["date"], "2024-05-01T10:00:01+00:00");
        assert_eq!(
            (&listed[3]["content"], &listed[3]["date"]),
            (&json!("Of course."), &json!("2024-05-01T10:00:02+00:00"))
        );
        // The newest time of all is that of the message without one: now.
        assert!(made["last_message_at"].as_str().unwrap() > "2026");
        assert_eq!(app.list(&format!("/v1/runs/?agent_id={}", id(&agent))).await, json!([]));
        assert_eq!(app.model.requests().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_model_reads_the_past_of_a_default_history_and_search_finds_it() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "tools": ["conversation_search"] })).await;
        let import = "/v1/conversations/default/messages/import";
        let body = json!({ "agent_id": id(&agent), "messages": past() });
        let taken = app.post(import, body).await.expect_json();
        assert_eq!(
            each(&taken, "message_type"),
            ["system_message", "user_message", "assistant_message", "user_message"]
        );
        app.model.push(Answer::text("Anything else?"));
        app.post(&format!("/v1/agents/{}/messages", id(&agent)), json!({ "input": "Thank you." })).await.expect_json();
        let asked = app.model.requests().pop().unwrap().body;
        let asked = asked["messages"].as_array().unwrap();
        let roles: Vec<&str> = asked.iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "user", "assistant", "user", "user"]);
        assert_eq!(asked[3]["content"], "Of course.");

        app.model.push(Answer::tool_call("conversation_search", json!({ "query": "marmalade" })));
        app.model.push(Answer::text("Found."));
        let answer = app.post(&format!("/v1/agents/{}/messages", id(&agent)), json!({ "input": "Search." })).await;
        let answer = answer.expect_json().to_string();
        assert!(answer.contains("Do you have marmalade?") && answer.contains("2024-05-01T10:00:01"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn an_import_that_is_repeated_adds_nothing() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({ "messages": past() })).await;
        let path = format!("/v1/conversations/{}/messages", id(&made));
        let body = json!({ "messages": [
            { "role": "assistant", "content": "Of course.", "otid": "m3" },
            { "role": "user", "content": "More?", "otid": "m5" },
            { "role": "user", "content": "More?", "otid": "m5" },
        ] });
        let taken = app.post(&format!("{path}/import"), body.clone()).await.expect_json();
        assert_eq!((taken.as_array().unwrap().len(), &taken[0]["otid"]), (1, &json!("m5")));
        assert_eq!(app.post(&format!("{path}/import"), body).await.expect_json(), json!([]));
        assert_eq!(app.list(&path).await.as_array().unwrap().len(), 6);
        let older =
            json!({ "messages": [{ "role": "user", "content": "Old.", "created_at": "2020-01-01T00:00:00Z" }] });
        let before = app.again(&made).await["last_message_at"].clone();
        app.post(&format!("{path}/import"), older).await.expect_json();
        assert_eq!(app.again(&made).await["last_message_at"], before);
        // Whatever its time, it came last.
        assert_eq!(app.list(&format!("{path}?limit=1")).await[0]["content"], "Old.");
    })
    .await;
}

#[tokio::test]
async fn the_model_sees_as_much_of_a_long_past_as_has_room() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "context_window_limit": 8000 })).await;
        let made = app.conversation(&agent, json!({})).await;
        let messages: Vec<Value> =
            (0..100).map(|n| json!({ "role": "user", "content": format!("{n} {}", "word ".repeat(100)) })).collect();
        let path = format!("/v1/conversations/{}/messages", id(&made));
        let taken = app.post(&format!("{path}/import"), json!({ "messages": messages })).await.expect_json();
        let taken = each(&taken, "id");
        assert_eq!(taken.len(), 100);
        let seen = context(&app.again(&made).await);
        assert!((10..50).contains(&seen.len()), "{} of the messages are seen", seen.len());
        assert_eq!(seen[1..], taken[101 - seen.len()..]);
        assert_eq!(app.list(&format!("{path}?limit=1000")).await.as_array().unwrap().len(), 101);
    })
    .await;
}

#[tokio::test]
async fn a_past_that_cannot_be_taken_in_changes_nothing() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let create = format!("/v1/conversations/?agent_id={}", id(&agent));
        let made = app.conversation(&agent, json!({})).await;
        let import = format!("/v1/conversations/{}/messages/import", id(&made));
        let image = json!([{ "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } }]);
        let good = json!({ "role": "user", "content": "Hello." });
        for (bad, fragment) in [
            (json!({ "role": "user", "content": "" }), "empty"),
            (json!({ "role": "user", "content": image }), "base64"),
            (json!({ "role": "robot", "content": "Beep." }), "role"),
            (json!({ "role": "user" }), "content"),
            (json!({ "role": "user", "content": "x", "created_at": "yesterday" }), "created_at"),
        ] {
            let body = json!({ "messages": [good, bad] });
            for path in [&create, &import] {
                assert_error(&app.post(path, body.clone()).await, 422, fragment);
            }
        }
        let many = json!({ "messages": vec![good; 1001] });
        assert_error(&app.post(&import, many).await, 422, "at most 1000");
        assert_error(&app.post(&import, json!({})).await, 422, "messages");
        assert_eq!(app.list("/v1/conversations/").await.as_array().unwrap().len(), 1);
        assert_eq!(context(&app.again(&made).await), context(&made));
    })
    .await;
}
