//! `POST /v1/messages/search` and `POST /v1/agents/messages/search`

use muisti_testkit::Answer;
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database};

const SAID: &str = "/v1/messages/search";
const STORED: &str = "/v1/agents/messages/search";

/// An agent that was told about a cat, and one that was told about a dog.
async fn two_agents(app: &mut App) -> [String; 2] {
    let mut ids = Vec::new();
    for (about, answer) in
        [("My cat is called Misu.", "Misu is a lovely name."), ("The dog next door barks.", "How loud!")]
    {
        let agent = id(&app.agent(json!({ "project_id": "zoo" })).await).to_owned();
        app.model.push(Answer::text(answer).reasoning("An animal, then."));
        app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": about })).await.expect_json();
        ids.push(agent);
    }
    ids.try_into().unwrap()
}

async fn search(app: &mut App, path: &str, body: Value) -> Value {
    app.post(path, body).await.expect_json()
}

#[tokio::test]
async fn what_was_said_is_found_by_its_words_in_each_mode() {
    on_each_database(async |app| {
        let [cat, dog] = two_agents(app).await;
        for mode in ["fts", "vector", "hybrid"] {
            let found = search(app, SAID, json!({ "query": "misu", "search_mode": mode })).await;
            let kinds = each(&found, "message_type");
            assert_eq!(found.as_array().unwrap().len(), 3, "{mode}: {found:#}");
            assert!(kinds.contains(&"user_message".to_owned()) && kinds.contains(&"reasoning_message".to_owned()));
            assert!(each(&found, "agent_id").iter().all(|agent| *agent == cat));
        }
        let found = search(app, SAID, json!({ "query": "barks" })).await;
        let expected = json!([{
            "message_type": "user_message", "message_id": found[0]["message_id"], "agent_id": dog,
            "conversation_id": null, "created_at": found[0]["created_at"], "content": "The dog next door barks.",
        }]);
        assert_eq!(found, expected);
        // Part of a word is found past the index.
        assert_eq!(search(app, SAID, json!({ "query": "ext doo" })).await, expected);
        assert_eq!(search(app, SAID, json!({ "query": "zebra" })).await, json!([]));
        assert_eq!(search(app, SAID, json!({ "query": "misu", "agent_id": dog })).await, json!([]));
        assert_eq!(
            search(app, SAID, json!({ "query": "misu", "conversation_id": "default" })).await.as_array().unwrap().len(),
            3
        );
        let other = "conv-123e4567-e89b-42d3-8456-426614174000";
        assert_eq!(search(app, SAID, json!({ "query": "misu", "conversation_id": other })).await, json!([]));
        let one = search(app, SAID, json!({ "query": "misu", "limit": 1 })).await;
        assert_eq!(each(&one, "message_id").into_iter().collect::<std::collections::BTreeSet<_>>().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn stored_messages_are_found_with_their_ranks() {
    on_each_database(async |app| {
        let [cat, dog] = two_agents(app).await;
        let found = search(app, STORED, json!({ "query": "Misu" })).await;
        for (result, rank) in found.as_array().unwrap().iter().zip(1..) {
            assert_eq!(result["fts_rank"], rank);
            assert_eq!(result["vector_rank"], Value::Null);
            let score = result["rrf_score"].as_f64().unwrap();
            assert!((score - 1.0 / (60.0 + f64::from(rank))).abs() < 1e-9, "{score}");
            assert!(result["embedded_text"].as_str().unwrap().contains("Misu"));
            assert_eq!(result["message"]["agent_id"], cat);
        }
        let roles = search(app, STORED, json!({ "query": "misu", "roles": ["user"] })).await;
        assert_eq!(roles.as_array().unwrap().len(), 1);
        assert_eq!(roles[0]["message"]["role"], "user");
        // Without a query the newest are found.
        let newest = search(app, STORED, json!({ "limit": 1 })).await;
        assert_eq!((&newest[0]["message"]["agent_id"], &newest[0]["fts_rank"]), (&json!(dog), &Value::Null));
        assert_eq!(newest[0]["rrf_score"], 0.0);
        assert_eq!(search(app, STORED, json!({ "query": "misu", "project_id": "zoo" })).await, found);
        assert_eq!(search(app, STORED, json!({ "query": "misu", "project_id": "farm" })).await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn the_start_is_exclusive_and_the_end_inclusive() {
    on_each_database(async |app| {
        two_agents(app).await;
        let barks = search(app, STORED, json!({ "query": "barks" })).await;
        let time = &barks[0]["message"]["created_at"];
        let with = |name: &str| json!({ "query": "barks", name: time });
        for path in [SAID, STORED] {
            assert_eq!(search(app, path, with("start_date")).await, json!([]));
            assert_eq!(search(app, path, with("end_date")).await.as_array().unwrap().len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_search_that_makes_no_sense_is_refused() {
    on_each_database(async |app| {
        for path in [SAID, STORED] {
            assert_eq!(search(app, path, json!({ "query": "anything" })).await, json!([]));
            for (body, fragment) in [
                (json!({ "query": "x", "limit": 0 }), "limit"),
                (json!({ "query": "x", "limit": 101 }), "from 1 to 100"),
                (json!({ "query": "x", "search_mode": "guess" }), "search_mode"),
                (json!({ "query": "x", "conversation_id": "nowhere" }), "conversation_id"),
                (json!({ "query": "x", "start_date": "soon" }), "start_date"),
            ] {
                assert_error(&app.post(path, body).await, 422, fragment);
            }
        }
        assert_error(&app.post(SAID, json!({})).await, 422, "query");
    })
    .await;
}

#[tokio::test]
async fn no_query_is_too_long_for_the_database() {
    on_each_database(async |app| {
        let [cat, _] = two_agents(app).await;
        let letters = "x".repeat(100_000);
        let signs = "%_ '\"\\ ".repeat(20_000);
        for text in [&letters, &signs] {
            for path in [SAID, STORED, "/v1/passages/search", "/v1/tools/search"] {
                assert_eq!(search(app, path, json!({ "query": text })).await, json!([]), "{path}");
            }
        }
        let letters = "x".repeat(60_000);
        for path in [
            "/v1/tools/?search=".to_owned(),
            "/v1/agents/?query_text=".to_owned(),
            "/v1/blocks/?value_search=".to_owned(),
            "/v1/identities/?name=".to_owned(),
            format!("/v1/conversations/?agent_id={cat}&summary_search="),
            format!("/v1/agents/{cat}/archival-memory?search="),
            format!("/v1/agents/{cat}/archival-memory/search?query="),
        ] {
            let response = app.get(&format!("{path}{letters}")).await;
            // Some have a bound.
            assert!(matches!(response.status, 200 | 422), "{path}: {}", response.text());
        }
    })
    .await;
}
