//! `GET /v1/tags/`

use serde_json::json;

use crate::harness::on_each_database;

#[tokio::test]
async fn tags_of_agents_and_blocks_are_listed_once_in_order() {
    on_each_database(async |app| {
        app.agent(json!({ "tags": ["b", "a"] })).await;
        app.agent(json!({ "tags": ["c", "a"] })).await;
        app.post("/v1/blocks/", json!({ "label": "x", "value": "", "tags": ["d"] })).await.expect_json();
        assert_eq!(app.list("/v1/tags/").await, json!(["a", "b", "c", "d"]));
        assert_eq!(app.list("/v1/tags/?limit=2").await, json!(["a", "b"]));
        assert_eq!(app.list("/v1/tags/?limit=2&after=b").await, json!(["c", "d"]));
        assert_eq!(app.list("/v1/tags/?limit=2&before=c").await, json!(["a", "b"]));
        assert_eq!(app.list("/v1/tags/?order=desc&limit=1").await, json!(["d"]));
        assert_eq!(app.list("/v1/tags/?name=B").await, json!(["b"]));
        assert_eq!(app.list("/v1/tags/?query_text=%25").await, json!([]));
    })
    .await;
}
