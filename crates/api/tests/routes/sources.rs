//! `/v1/sources`: the older spelling of folders

use serde_json::json;

use crate::{
    folders::embedding,
    harness::{assert_error, each, id, on_each_database},
};

#[tokio::test]
async fn sources_are_folders_by_their_older_name() {
    on_each_database(async |app| {
        let body = json!({ "name": "docs", "embedding_config": embedding() });
        let source = app.post("/v1/sources/", body).await.expect_json();
        assert_eq!(source["vector_db_provider"], "native");
        let path = format!("/v1/sources/{}", id(&source));
        assert_eq!(app.list(&path).await, source);
        assert_eq!(app.list("/v1/sources/").await, json!([source]));
        assert_eq!(app.list("/v1/sources/count").await, json!(1));
        assert_eq!(app.list("/v1/sources/name/docs").await, source["id"]);
        assert_eq!(app.list("/v1/sources/metadata").await["total_sources"], 1);
        assert_eq!(each(&app.list("/v1/folders/").await, "id"), [id(&source)]);
        let changed = app.patch(&path, json!({ "description": "d" })).await.expect_json();
        assert_eq!((&changed["description"], &changed["name"]), (&json!("d"), &json!("docs")));
        assert_eq!(app.delete(&path).await.expect_json(), json!(null));
        assert_error(&app.get(&path).await, 404, "not found");
        assert_eq!(app.get("/v1/sources/docs").await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn files_and_agents_of_a_source_are_listed_oldest_first() {
    on_each_database(async |app| {
        let source = app.folder("docs").await;
        let (a, b) = (app.file(&source, "a", "1").await, app.file(&source, "b", "2").await);
        let path = format!("/v1/sources/{}", id(&source));
        assert_eq!(each(&app.list(&format!("{path}/files")).await, "id"), [a.as_str(), b.as_str()]);
        let rest = app.list(&format!("{path}/files?after={a}&include_content=true&check_status_updates=false")).await;
        assert_eq!(each(&rest, "content"), ["2"]);
        let other = app.folder("other").await;
        assert_eq!(app.list(&format!("/v1/sources/{}/files/{a}", id(&other))).await["id"], json!(a));

        let agent = app.agent(json!({ "source_ids": [id(&source)] })).await;
        assert_eq!(app.list(&format!("{path}/agents")).await, json!([id(&agent)]));
        let link = |verb: &str| format!("/v1/agents/{}/sources/{verb}/{}", id(&agent), id(&source));
        let state = app.patch(&link("detach"), json!({})).await.expect_json();
        assert_eq!((&state["id"], &state["sources"]), (&agent["id"], &json!([])));
        let state = app.patch(&link("attach"), json!({})).await.expect_json();
        assert_eq!(each(&state["sources"], "name"), ["docs"]);
        assert_eq!(app.delete(&format!("{path}/{a}")).await.status, 204);
        assert_eq!(each(&app.list(&format!("/v1/agents/{}/files", id(&agent))).await["files"], "file_id"), [b]);
    })
    .await;
}
