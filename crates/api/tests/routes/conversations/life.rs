//! Conversations are made, found, changed and deleted.

use muisti_api::managers::{
    orm::{conversations, leases},
    schema::{RunId, Timestamp},
};
use serde_json::{Value, json};

use super::{UNKNOWN, UNKNOWN_AGENT, context, history};
use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

async fn remembering(app: &mut App) -> Value {
    let blocks = json!([{ "label": "human", "value": "Likes green." }, { "label": "persona", "value": "Kind." }]);
    app.agent(json!({ "memory_blocks": blocks })).await
}

#[tokio::test]
async fn a_conversation_begins_with_a_system_message_of_its_own() {
    on_each_database(async |app| {
        let agent = remembering(app).await;
        let first = app.conversation(&agent, json!({ "summary": "Colours" })).await;
        assert_eq!((&first["agent_id"], &first["summary"]), (&agent["id"], &json!("Colours")));
        assert_eq!(context(&first).len(), 1);
        assert_eq!(app.again(&first).await, first);
        let text = app.system_text(&first).await;
        assert!(text.contains(&format!("- AGENT_ID: {}\n- CONVERSATION_ID: {}", id(&agent), id(&first))), "{text}");
        assert!(text.contains("Likes green.") && text.contains("- 0 earlier messages"), "{text}");

        // The agent's own history does not know of it.
        let of_agent = app.list(&format!("/v1/agents/{}", id(&agent))).await;
        assert_eq!(of_agent["message_ids"], agent["message_ids"]);
        let default = app.list(&format!("/v1/agents/{}/messages?conversation_id=default", id(&agent))).await;
        assert_eq!(each(&default, "id"), [agent["message_ids"][0].as_str().unwrap()]);
        let own = app.list(&format!("/v1/agents/{}/messages?conversation_id={}", id(&agent), id(&first))).await;
        assert_eq!(each(&own, "id"), context(&first));
        let all = app.list(&format!("/v1/messages/?conversation_id={}", id(&first))).await;
        assert_eq!(each(&all, "id"), context(&first));

        // A later one sees what has changed since, an older one does not.
        let block = format!("/v1/agents/{}/core-memory/blocks/human", id(&agent));
        app.patch(&block, json!({ "value": "Likes blue." })).await.expect_json();
        let second = app.post(&format!("/v1/conversations/?agent_id={}", id(&agent)), Value::Null).await.expect_json();
        assert!(app.system_text(&second).await.contains("Likes blue."));
        assert_eq!(app.system_text(&first).await, text);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_conversation_is_refused_and_leaves_nothing() {
    on_each_database(async |app| {
        let agent = remembering(app).await;
        let path = format!("/v1/conversations/?agent_id={}", id(&agent));
        for (body, status, fragment) in [
            (
                json!({ "isolated_block_labels": ["human", "diary"] }),
                400,
                "INVALID_ARGUMENT: Block with label 'diary' not found on agent",
            ),
            (
                json!({ "model": "gpt-4o" }),
                400,
                "INVALID_ARGUMENT: The model handle should be in the format provider/model-name",
            ),
            (json!({ "model": "openai/none" }), 404, "openai/none"),
            (json!({ "model_settings": { "provider_type": "nobody" } }), 422, "provider_type"),
            (json!({ "summary": 5 }), 422, "string_type"),
        ] {
            assert_error(&app.post(&path, body).await, status, fragment);
        }
        let of_nobody = format!("/v1/conversations/?agent_id={UNKNOWN_AGENT}");
        assert_error(&app.post(&of_nobody, json!({})).await, 404, "Agent with ID");
        assert_error(
            &app.post("/v1/conversations/?agent_id=bob", json!({})).await,
            400,
            "INVALID_ARGUMENT: Invalid agent ID",
        );
        assert_error(&app.post("/v1/conversations/", json!({})).await, 422, "missing");
        assert_eq!(app.list("/v1/conversations/").await, json!([]));
        assert_eq!(app.list("/v1/blocks/?label=human").await.as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn isolated_blocks_are_copies_that_go_with_the_conversation() {
    on_each_database(async |app| {
        let agent = remembering(app).await;
        let conversation = app.conversation(&agent, json!({ "isolated_block_labels": ["human", "human"] })).await;
        let [isolated] = &conversation["isolated_block_ids"].as_array().unwrap()[..] else { panic!("{conversation}") };
        let isolated = format!("/v1/blocks/{}", isolated.as_str().unwrap());
        let copy = app.list(&isolated).await;
        let original = app.list(&format!("/v1/agents/{}/core-memory/blocks/human", id(&agent))).await;
        for field in ["label", "value", "description", "limit", "metadata", "read_only"] {
            assert_eq!(copy[field], original[field], "{field}");
        }
        assert_ne!(copy["id"], original["id"]);

        app.patch(&isolated, json!({ "value": "Likes red." })).await.expect_json();
        app.patch(&format!("/v1/blocks/{}", id(&original)), json!({ "value": "Likes blue." })).await.expect_json();
        let recompile = format!("/v1/conversations/{}/recompile", id(&conversation));
        let text = app.post(&recompile, Value::Null).await.expect_json();
        let text = text.as_str().unwrap();
        assert!(text.contains("Likes red.") && !text.contains("Likes blue.") && text.contains("Kind."), "{text}");
        assert!(text.find("<human>") < text.find("<persona>"), "{text}");

        app.delete(&format!("/v1/conversations/{}", id(&conversation))).await.expect_json();
        assert_error(&app.get(&isolated).await, 404, "not found");
        assert_eq!(app.list(&format!("/v1/blocks/{}", id(&original))).await["value"], "Likes blue.");

        let other = app.conversation(&agent, json!({ "isolated_block_labels": ["persona"] })).await;
        assert!(app.delete(&format!("/v1/agents/{}", id(&agent))).await.is_success());
        assert_error(&app.get(&format!("/v1/conversations/{}", id(&other))).await, 404, "not found");
        let block = format!("/v1/blocks/{}", other["isolated_block_ids"][0].as_str().unwrap());
        assert_error(&app.get(&block).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn what_is_null_or_absent_stays_as_it_is() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let settings = json!({ "provider_type": "openai", "temperature": 0.5 });
        let body = json!({ "summary": "One", "model": MODEL, "model_settings": settings });
        let made = app.conversation(&agent, body).await;
        assert_eq!(made["model"], MODEL);
        assert_eq!(made["model_settings"]["temperature"], 0.5);
        // Only what was given is kept.
        assert_eq!(made["model_settings"]["max_output_tokens"], Value::Null);
        let path = format!("/v1/conversations/{}", id(&made));
        let nulls = json!({ "summary": null, "model": null, "model_settings": null, "last_message_at": null });
        for nothing in [json!({}), nulls] {
            assert_eq!(app.patch(&path, nothing).await.expect_json(), made);
        }
        let change = json!({ "summary": "Two", "last_message_at": "2026-01-02T03:04:05Z" });
        let changed = app.patch(&path, change).await.expect_json();
        assert_eq!((&changed["summary"], &changed["model"]), (&json!("Two"), &made["model"]));
        assert_eq!(changed["last_message_at"], "2026-01-02T03:04:05Z");
        assert_eq!(context(&changed), context(&made));
        assert_eq!(app.again(&made).await, changed);
        assert_error(&app.patch(&path, json!({ "model": "openai/none" })).await, 404, "openai/none");
        assert_error(&app.patch(&path, json!({ "model": "none" })).await, 400, "provider/model-name");
    })
    .await;
}

#[tokio::test]
async fn conversations_are_put_aside_and_brought_back() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({ "description": "Long.", "context_window_limit": 9000 })).await;
        assert_eq!((&made["archived"], &made["context_window_limit"]), (&json!(false), &json!(9000)));
        app.conversation(&agent, json!({ "hidden": true })).await;
        let path = format!("/v1/conversations/{}", id(&made));
        let put_aside = app.patch(&path, json!({ "archived": true })).await.expect_json();
        assert_eq!((&put_aside["archived"], &put_aside["description"]), (&json!(true), &json!("Long.")));
        let again = app.patch(&path, json!({ "archived": true })).await.expect_json();
        assert_eq!(again["archived_at"], put_aside["archived_at"]);
        for (query, count) in
            [("", 0), ("?archive_status=unarchived", 0), ("?archive_status=archived", 1), ("?archive_status=all", 1)]
        {
            assert_eq!(
                app.list(&format!("/v1/conversations/{query}")).await.as_array().unwrap().len(),
                count,
                "{query}"
            );
        }
        let back = app.patch(&path, json!({ "archived": false, "archived_at": null })).await.expect_json();
        assert_eq!((&back["archived"], &back["archived_at"]), (&json!(false), &Value::Null));
        assert_eq!(app.list("/v1/conversations/").await.as_array().unwrap().len(), 1);
        assert_error(&app.get("/v1/conversations/?archive_status=some").await, 422, "'unarchived'");
        let none = json!({ "context_window_limit": 0 });
        assert_error(&app.patch(&path, none.clone()).await, 422, "at least 1");
        let create = format!("/v1/conversations/?agent_id={}", id(&agent));
        assert_error(&app.post(&create, none).await, 422, "at least 1");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_with_its_messages() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let message = app.import(id(&made), &["Hello."]).await.remove(0);
        let path = format!("/v1/conversations/{}", id(&made));
        assert_eq!(app.delete(&path).await.expect_json(), Value::Null);
        for path in [path.clone(), format!("{path}/messages"), format!("/v1/conversations/{UNKNOWN}")] {
            assert_error(&app.get(&path).await, 404, "not found");
        }
        assert_error(&app.patch(&path, json!({})).await, 404, "not found");
        assert_error(&app.delete(&path).await, 404, "not found");
        assert_error(&app.get(&format!("/v1/messages/{message}")).await, 404, "not found");
        assert_eq!(app.list("/v1/conversations/").await, json!([]));
        for wrong in ["x", "default", id(&agent)] {
            assert_error(&app.get(&format!("/v1/conversations/{wrong}")).await, 422, "conv-{uuid4}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_is_worked_on_is_not_deleted() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let made = app.conversation(&agent, json!({})).await;
        let (key, run) = (history(&made).key(), RunId::random());
        let hold = move |conn: &mut _| {
            let until = Timestamp::parse("2999-01-01").unwrap();
            leases::acquire(conn, &leases::Lease { key: &key, run_id: run, node_id: "elsewhere", until })
        };
        assert!(app.write(hold).await);
        let path = format!("/v1/conversations/{}", id(&made));
        assert_error(&app.delete(&path).await, 409, "CONFLICT: A request is working on the conversation");
        let message = json!({ "messages": [{ "role": "user", "content": "Hello." }] });
        assert_error(&app.post(&format!("{path}/messages/import"), message).await, 409, "is currently being processed");
        let key = history(&made).key();
        app.write(move |conn| leases::release(conn, &key, run)).await;
        assert_eq!(app.delete(&path).await.expect_json(), Value::Null);
    })
    .await;
}

#[tokio::test]
async fn conversations_are_listed_searched_and_paged() {
    on_each_database(async |app| {
        let (agent, other) = (app.agent(json!({})).await, app.agent(json!({})).await);
        let mut ids = Vec::new();
        for summary in ["100% Über", "b_c", "bcc"] {
            let made = app.conversation(&agent, json!({ "summary": summary })).await;
            ids.push(id(&made).to_owned());
        }
        let foreign = app.conversation(&other, json!({})).await;
        let of_agent = format!("/v1/conversations/?agent_id={}", id(&agent));
        let listed = app.list(&of_agent).await;
        assert_eq!(each(&listed, "summary"), ["bcc", "b_c", "100% Über"]);
        assert_eq!(listed[0]["in_context_message_ids"], json!([]));
        assert_eq!(each(&app.list("/v1/conversations/?limit=1").await, "id"), [id(&foreign)]);
        for (search, count) in [("%C3%9CBER", 1), ("b_c", 1), ("%25", 1), ("B", 3), ("nothing", 0)] {
            let found = app.list(&format!("{of_agent}&summary_search={search}")).await;
            assert_eq!(found.as_array().unwrap().len(), count, "{search}");
        }
        assert_eq!(each(&app.list(&format!("{of_agent}&order=asc&limit=1&after={}", ids[0])).await, "id"), ids[1..2]);

        let (first, second) = (ids[0].clone(), ids[1].clone());
        let times = move |conn: &mut _| {
            conversations::touch(conn, first.parse().unwrap(), Timestamp::parse("2026-01-02").unwrap())?;
            conversations::run_ended(conn, second.parse().unwrap(), Timestamp::parse("2026-01-02").unwrap())
        };
        app.write(times).await;
        for (by, first) in [("last_message_at", &ids[0]), ("last_run_completion", &ids[1])] {
            for order in ["asc", "desc"] {
                let path = format!("{of_agent}&order_by={by}&order={order}");
                let all = each(&app.list(&path).await, "id");
                assert_eq!((all.len(), &all[0]), (3, first), "{path}");
                let rest = each(&app.list(&format!("{path}&after={first}")).await, "id");
                assert_eq!(rest, all[1..], "{path}");
            }
        }
        assert_error(&app.get(&format!("{of_agent}&order_by=size")).await, 422, "'last_message_at'");
        assert_error(&app.get(&format!("{of_agent}&after={UNKNOWN}")).await, 404, "No Conversation found");
        assert_error(&app.get(&format!("/v1/conversations/?agent_id={UNKNOWN_AGENT}")).await, 404, "Agent with ID");
    })
    .await;
}
