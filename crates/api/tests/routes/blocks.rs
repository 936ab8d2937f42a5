//! `/v1/blocks`

use serde_json::json;

use crate::harness::{assert_error, each, id, on_each_database};

#[tokio::test]
async fn a_block_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let block = app.block("human", "Name: Ada").await;
        let path = format!("/v1/blocks/{}", id(&block));
        assert_eq!(block["limit"], 100_000);
        assert_eq!(app.list(&path).await, block);
        let changed = app.patch(&path, json!({ "value": "Name: Grace", "description": null })).await.expect_json();
        assert_eq!(changed["value"], "Name: Grace");
        assert_eq!(changed["label"], "human");
        assert_eq!(app.list(&path).await["value"], "Name: Grace");
        let deleted = app.delete(&path).await;
        assert_eq!((deleted.status, deleted.text().as_str()), (200, "null"));
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
    })
    .await;
}

#[tokio::test]
async fn blocks_are_listed_and_counted_by_what_is_asked_for() {
    on_each_database(async |app| {
        for (label, value) in [("human", "likes green"), ("persona", "helpful"), ("notes/today", "100% green")] {
            app.block(label, value).await;
        }
        assert_eq!(each(&app.list("/v1/blocks/").await, "label"), ["human", "persona", "notes/today"]);
        assert_eq!(each(&app.list("/v1/blocks/?order=desc&limit=1").await, "label"), ["notes/today"]);
        assert_eq!(each(&app.list("/v1/blocks/?label=notes/today").await, "label"), ["notes/today"]);
        assert_eq!(each(&app.list("/v1/blocks/?label_search=HUM").await, "label"), ["human"]);
        assert_eq!(each(&app.list("/v1/blocks/?value_search=100%25%20").await, "label"), ["notes/today"]);
        assert_eq!(app.list("/v1/blocks/?templates_only=true").await, json!([]));
        assert_eq!(app.list("/v1/blocks/?connected_to_agents_count_gt=0").await, json!([]));
        assert_eq!(app.list("/v1/blocks/count").await, json!(3));
        assert_eq!(app.list("/v1/blocks/count?label=human").await, json!(1));
    })
    .await;
}

#[tokio::test]
async fn pages_of_blocks_go_forward_and_back() {
    on_each_database(async |app| {
        let mut ids = Vec::new();
        for label in ["a", "b", "c", "d", "e"] {
            ids.push(id(&app.block(label, "").await).to_owned());
        }
        assert_eq!(each(&app.list(&format!("/v1/blocks/?limit=2&after={}", ids[1])).await, "id"), ids[2..4]);
        assert_eq!(each(&app.list(&format!("/v1/blocks/?limit=2&before={}", ids[4])).await, "id"), ids[2..4]);
        let back: Vec<_> = ids[2..].iter().rev().cloned().collect();
        assert_eq!(each(&app.list(&format!("/v1/blocks/?order=desc&before={}", ids[1])).await, "id"), back);
        assert_eq!(app.list(&format!("/v1/blocks/?after={}", ids[4])).await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn texts_that_no_block_can_have_are_refused() {
    on_each_database(async |app| {
        assert_error(&app.get("/v1/blocks/?label=a%20b").await, 422, "string_pattern_mismatch");
        assert_error(&app.get(&format!("/v1/blocks/?label={}", "x".repeat(51))).await, 422, "at most 50 characters");
        assert_error(&app.get(&format!("/v1/blocks/?name={}", "x".repeat(101))).await, 422, "at most 100 characters");
        assert_error(&app.get("/v1/blocks/?value_search=%00").await, 422, "NUL");
    })
    .await;
}

#[tokio::test]
async fn a_nul_character_never_breaks_a_block() {
    on_each_database(async |app| {
        let block = app.block("human", "a\0b").await;
        assert_eq!(block["value"], "ab");
        let path = format!("/v1/blocks/{}", id(&block));
        let changed = app.patch(&path, json!({ "value": "\0c", "description": "\0" })).await.expect_json();
        assert_eq!(changed["value"], "c");
        for body in [
            json!({ "label": "x\0", "value": "" }),
            json!({ "label": "x", "value": "", "tags": ["\0"] }),
            json!({ "label": "x", "value": "", "metadata": { "\0": "\0" } }),
            json!({ "label": "x", "value": "", "project_id": "\0", "template_name": "\0" }),
        ] {
            let response = app.post("/v1/blocks/", body.clone()).await;
            assert!(response.status < 500, "{body}: {}", response.text());
        }
    })
    .await;
}

#[tokio::test]
async fn the_agents_of_a_block_are_listed() {
    on_each_database(async |app| {
        let block = app.block("shared", "x").await;
        let path = format!("/v1/blocks/{}/agents", id(&block));
        assert_eq!(app.list(&path).await, json!([]));
        let agent = app.agent(json!({ "block_ids": [id(&block)] })).await;
        assert_eq!(each(&app.list(&path).await, "id"), [id(&agent)]);
        app.delete(&format!("/v1/blocks/{}", id(&block))).await.expect_json();
        assert_error(&app.get(&path).await, 404, "not found");
        assert_eq!(app.get(&format!("/v1/agents/{}", id(&agent))).await.status, 200);
    })
    .await;
}
