//! `/v1/folders`, and the folders and files of agents

use muisti_api::managers::{
    DEFAULT_ACTOR,
    orm::files,
    schema::{FileId, FileMetadata},
};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database};

const UNKNOWN: &str = "123e4567-e89b-42d3-8456-426614174000";

/// An embedding model that nobody asks anything.
pub(crate) fn embedding() -> Value {
    json!({ "embedding_endpoint_type": "openai", "embedding_model": "m", "embedding_dim": 8 })
}

impl App {
    /// Creates a folder and gives it.
    pub(crate) async fn folder(&mut self, name: &str) -> Value {
        self.post("/v1/folders/", json!({ "name": name, "embedding_config": embedding() })).await.expect_json()
    }

    /// Puts a file into the folder, as if it had been read, and gives its id.
    pub(crate) async fn file(&self, folder: &Value, name: &str, text: &str) -> String {
        let file: FileMetadata = serde_json::from_value(json!({
            "id": FileId::random(), "source_id": folder["id"], "original_file_name": name, "file_type": "text/plain",
            "file_name": format!("{}/{name}", folder["name"].as_str().unwrap()), "file_size": text.len(),
            "processing_status": "completed", "content": text,
        }))
        .unwrap();
        let id = file.id.to_string();
        self.write(move |conn| files::insert(conn, &DEFAULT_ACTOR, &file)).await;
        id
    }
}

#[tokio::test]
async fn a_folder_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let folder = app.folder("docs").await;
        assert!(id(&folder).starts_with("source-"));
        assert_eq!(folder["embedding_config"]["embedding_chunk_size"], 300);
        assert!(folder.get("vector_db_provider").is_none());
        let path = format!("/v1/folders/{}", id(&folder));
        assert_eq!(app.list(&path).await, folder);
        let change =
            json!({ "description": "What we know.", "instructions": "", "metadata": { "a": 1 }, "name": null });
        let changed = app.patch(&path, change).await.expect_json();
        assert_eq!((&changed["name"], &changed["description"]), (&json!("docs"), &json!("What we know.")));
        assert_eq!((&changed["instructions"], &changed["metadata"]), (&json!(""), &json!({ "a": 1 })));
        assert_eq!(app.list("/v1/folders/name/docs").await, folder["id"]);
        let deleted = app.delete(&path).await;
        assert_eq!((deleted.status, deleted.text().as_str()), (200, "null"));
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
        assert_error(&app.get("/v1/folders/name/docs").await, 404, "Source with name=docs not found.");
    })
    .await;
}

#[tokio::test]
async fn a_folder_needs_a_name_of_its_own_and_an_embedding_model() {
    on_each_database(async |app| {
        app.folder("docs").await;
        let twice = app.post("/v1/folders/", json!({ "name": "docs", "embedding_config": embedding() })).await;
        assert_error(&twice, 409, "A unique constraint was violated for Source");
        let other = app.folder("other").await;
        let renamed = app.patch(&format!("/v1/folders/{}", id(&other)), json!({ "name": "docs" })).await;
        assert_error(&renamed, 409, "unique constraint");
        let bare = app.post("/v1/folders/", json!({ "name": "x" })).await;
        assert_error(&bare, 400, "INVALID_ARGUMENT: Must specify either embedding or embedding_config in request");
        let unknown = app.post("/v1/folders/", json!({ "name": "x", "embedding": "nobody/nothing" })).await;
        assert_error(&unknown, 400, "nobody/nothing");
        for body in [
            json!({ "embedding_config": embedding() }),
            json!({ "name": "x".repeat(600), "embedding_config": embedding() }),
            json!({ "name": "x", "embedding_config": { "embedding_model": "m" } }),
            json!({ "name": "x", "embedding_config": embedding(), "colour": "green" }),
        ] {
            let response = app.post("/v1/folders/", body.clone()).await;
            assert_eq!(response.status, 422, "{body}: {}", response.text());
        }
        let extra = app.patch(&format!("/v1/folders/{}", id(&other)), json!({ "colour": "green" })).await;
        assert_eq!(extra.status, 422);
    })
    .await;
}

#[tokio::test]
async fn folders_are_listed_a_page_at_a_time() {
    on_each_database(async |app| {
        let mut ids = Vec::new();
        for name in ["Docs", "my docs", "notes", "a", "b"] {
            ids.push(id(&app.folder(name).await).to_owned());
        }
        assert_eq!(each(&app.list("/v1/folders/").await, "id"), ids);
        assert_eq!(app.list("/v1/folders/count").await, json!(5));
        assert_eq!(each(&app.list("/v1/folders/?name=DOC").await, "name"), ["Docs", "my docs"]);
        assert_eq!(each(&app.list(&format!("/v1/folders/?limit=2&after={}", ids[1])).await, "id"), ids[2..4]);
        assert_eq!(each(&app.list(&format!("/v1/folders/?limit=2&before={}", ids[4])).await, "id"), ids[2..4]);
        assert_eq!(each(&app.list("/v1/folders/?order=desc&limit=1").await, "id"), ids[4..]);
        assert_error(&app.get(&format!("/v1/folders/?after=source-{UNKNOWN}")).await, 404, "No Source found with id");
        assert_eq!(app.get("/v1/folders/?order_by=name").await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn the_files_of_a_folder_are_listed_read_and_deleted() {
    on_each_database(async |app| {
        let (docs, other) = (app.folder("docs").await, app.folder("other").await);
        let (a, b) = (app.file(&docs, "a.txt", "one").await, app.file(&docs, "b.txt", "three").await);
        let path = format!("/v1/folders/{}", id(&docs));
        let files = app.list(&format!("{path}/files")).await;
        assert_eq!(each(&files, "id"), [b.as_str(), a.as_str()]);
        assert_eq!(each(&files, "file_name"), ["b.txt", "a.txt"]);
        assert_eq!(files[0]["content"], json!(null));
        let files = app.list(&format!("{path}/files?order=asc&limit=1&include_content=true")).await;
        assert_eq!(each(&files, "content"), ["one"]);
        assert_eq!(app.list(&format!("{path}/files?after={a}")).await, json!([]));
        assert_eq!(app.list(&format!("{path}/files/{a}?include_content=true")).await, files[0]);
        assert_eq!(app.list(&format!("/v1/folders/source-{UNKNOWN}/files")).await, json!([]));

        let stats = app.list("/v1/folders/metadata").await;
        assert_eq!(stats, json!({ "total_sources": 2, "total_files": 2, "total_size": 8, "sources": [] }));
        let stats = app.list("/v1/folders/metadata?include_detailed_per_source_metadata=true").await;
        assert_eq!(each(&stats["sources"], "source_name"), ["docs", "other"]);
        assert_eq!(each(&stats["sources"][0]["files"], "file_name"), ["docs/a.txt", "docs/b.txt"]);

        let elsewhere = format!("/v1/folders/{}", id(&other));
        assert_error(&app.get(&format!("{elsewhere}/files/{a}")).await, 404, "not found in folder");
        assert_error(&app.delete(&format!("{elsewhere}/{a}")).await, 404, "not found in folder");
        assert_error(&app.get(&format!("{path}/files/file-{UNKNOWN}")).await, 404, "not found");
        assert_eq!(app.delete(&format!("{path}/{a}")).await.status, 204);
        assert_error(&app.delete(&format!("{path}/{a}")).await, 404, "not found");
        assert_eq!(each(&app.list(&format!("{path}/files")).await, "id"), [b]);
    })
    .await;
}

#[tokio::test]
async fn an_agent_gets_a_folder_and_loses_it() {
    on_each_database(async |app| {
        let docs = app.folder("docs").await;
        app.file(&docs, "a.txt", "one").await;
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}", id(&agent));
        let attach = format!("{path}/folders/attach/{}", id(&docs));
        assert_eq!(app.patch(&attach, json!({})).await.expect_json(), json!(null));
        let mut curl = app.client().with_header("user-agent", "curl/8.5.0");
        let old = curl.patch(&attach, &json!({})).await.unwrap().expect_json();
        assert_eq!(each(&old["sources"], "id"), [id(&docs)]);
        assert_eq!(each(&old["memory"]["file_blocks"], "label"), ["docs/a.txt"]);
        let folders = app.list(&format!("{path}/folders")).await;
        assert_eq!(folders[0]["vector_db_provider"], "native");
        assert_eq!(app.list(&format!("{path}/sources")).await, folders);
        assert_eq!(app.list(&format!("/v1/folders/{}/agents", id(&docs))).await, json!([id(&agent)]));
        let state = app.list(&format!("{path}?include=agent.sources")).await;
        assert_eq!((state["sources"].as_array().unwrap().len(), &state["tools"]), (1, &json!([])));
        let tools = each(&app.list(&format!("{path}/tools?limit=50&order=asc")).await, "name");
        assert_eq!(tools[tools.len() - 3..], ["open_files", "grep_files", "semantic_search_files"]);

        let detach = format!("{path}/folders/detach/{}", id(&docs));
        assert_eq!(app.patch(&detach, json!({})).await.expect_json(), json!(null));
        assert_eq!(app.patch(&detach, json!({})).await.expect_json(), json!(null), "twice is no error");
        assert_eq!(app.list(&format!("{path}/folders")).await, json!([]));
        let tools = each(&app.list(&format!("{path}/tools?limit=50")).await, "name");
        assert!(!tools.contains(&"open_files".to_owned()));

        for wrong in [
            format!("{path}/folders/attach/source-{UNKNOWN}"),
            format!("{path}/folders/detach/source-{UNKNOWN}"),
            format!("/v1/agents/agent-{UNKNOWN}/folders/attach/{}", id(&docs)),
        ] {
            assert_error(&app.patch(&wrong, json!({})).await, 404, "not found");
        }
        assert_error(&app.get(&format!("/v1/agents/agent-{UNKNOWN}/folders")).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn files_of_an_agent_are_opened_and_closed() {
    on_each_database(async |app| {
        let docs = app.folder("docs").await;
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(app.file(&docs, name, name).await);
        }
        let agent = app.agent(json!({ "folder_ids": [id(&docs)], "max_files_open": 2 })).await;
        let path = format!("/v1/agents/{}/files", id(&agent));
        let open = app.list(&format!("{path}?is_open=true&order=asc")).await;
        assert_eq!(each(&open["files"], "file_name"), ["docs/a", "docs/b"]);
        let first = &open["files"][0];
        assert_eq!((&first["folder_name"], &first["folder_id"]), (&json!("docs"), &docs["id"]));
        assert_eq!(first["visible_content"], "[Viewing file start (out of 1 lines)]\n1: a");
        assert_eq!((&first["start_line"], &first["end_line"]), (&json!(null), &json!(null)));
        assert_eq!(open["has_more"], false);

        assert_eq!(app.patch(&format!("{path}/{}/open", ids[0]), json!({})).await.expect_json(), json!([]));
        assert_eq!(app.patch(&format!("{path}/{}/open", ids[2]), json!({})).await.expect_json(), json!(["docs/b"]));
        let closed = app.patch(&format!("{path}/{}/close", ids[0]), json!({})).await.expect_json();
        assert_eq!(closed, json!({ "message": format!("File id={} successfully closed", ids[0]) }));
        assert_eq!(app.patch(&format!("{path}/close-all"), json!({})).await.expect_json(), json!(["docs/c"]));
        assert_eq!(app.patch(&format!("{path}/close-all"), json!({})).await.expect_json(), json!([]));
        for verb in ["open", "close"] {
            let response = app.patch(&format!("{path}/file-{UNKNOWN}/{verb}"), json!({})).await;
            assert_error(&response, 404, &format!("File with id=file-{UNKNOWN} not found"));
        }

        let mut seen = Vec::new();
        let mut next = format!("{path}?limit=2&order=asc");
        loop {
            let page = app.list(&next).await;
            seen.extend(each(&page["files"], "file_name"));
            if page["has_more"] == false {
                break;
            }
            next = format!("{path}?limit=2&order=asc&after={}", page["next_cursor"].as_str().unwrap());
        }
        assert_eq!(seen, ["docs/a", "docs/b", "docs/c"]);
        let all = app.list(&format!("{path}?limit=0&order=asc")).await;
        let last = all["next_cursor"].as_str().unwrap().to_owned();
        let before = app.list(&format!("{path}?limit=1&order=asc&before={last}")).await;
        assert_eq!(
            (each(&before["files"], "file_name"), &before["has_more"]),
            (vec!["docs/b".to_owned()], &json!(true))
        );
        let none = app.list(&format!("{path}?order=asc&cursor={last}")).await;
        assert_eq!(none, json!({ "files": [], "next_cursor": null, "has_more": false }));
        assert_error(&app.get(&format!("{path}?after=file_agent-{UNKNOWN}")).await, 404, "No FileAgent found");
        assert_error(&app.get(&format!("/v1/agents/agent-{UNKNOWN}/files")).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn malformed_ids_are_refused_with_an_example() {
    on_each_database(async |app| {
        let folder = app.folder("docs").await;
        let agent = app.agent(json!({})).await;
        for path in [
            "/v1/folders/docs".to_owned(),
            "/v1/folders/docs/files".to_owned(),
            "/v1/folders/docs/agents".to_owned(),
            format!("/v1/folders/{}/files/a.txt", id(&folder)),
            "/v1/agents/me/folders".to_owned(),
            "/v1/agents/me/files".to_owned(),
        ] {
            assert_eq!(app.get(&path).await.status, 422, "{path}");
        }
        for path in [
            format!("/v1/agents/{}/folders/attach/docs", id(&agent)),
            format!("/v1/agents/{}/sources/detach/docs", id(&agent)),
            format!("/v1/agents/{}/files/a.txt/open", id(&agent)),
        ] {
            let response = app.patch(&path, json!({})).await;
            assert_eq!(response.status, 422, "{path}");
        }
        assert_eq!(app.delete(&format!("/v1/folders/{}/a.txt", id(&folder))).await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn another_organization_sees_no_folder_and_no_file() {
    on_each_database(async |app| {
        let docs = app.folder("docs").await;
        let file = app.file(&docs, "a.txt", "one").await;
        let agent = app.agent(json!({ "folder_ids": [id(&docs)] })).await;
        let organization = app.post("/v1/admin/orgs/", json!({ "name": "theirs" })).await.expect_json();
        let user = json!({ "name": "eve", "organization_id": id(&organization) });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut eve = app.client().with_header("user_id", id(&user));
        let (folder, agent) = (format!("/v1/folders/{}", id(&docs)), format!("/v1/agents/{}", id(&agent)));
        assert_eq!(eve.get("/v1/folders/").await.unwrap().expect_json(), json!([]));
        assert_eq!(eve.get("/v1/folders/count").await.unwrap().expect_json(), json!(0));
        assert_eq!(eve.get("/v1/folders/metadata").await.unwrap().expect_json()["total_files"], 0);
        assert_eq!(eve.get(&format!("{folder}/files")).await.unwrap().expect_json(), json!([]));
        for path in [
            folder.clone(),
            format!("{folder}/agents"),
            format!("{folder}/files/{file}"),
            "/v1/folders/name/docs".to_owned(),
            format!("/v1/sources/{}", id(&docs)),
            format!("/v1/sources/{}/files/{file}", id(&docs)),
            format!("{agent}/folders"),
            format!("{agent}/files"),
        ] {
            assert_error(&eve.get(&path).await.unwrap(), 404, "not found");
        }
        for path in [
            folder.clone(),
            format!("{agent}/folders/attach/{}", id(&docs)),
            format!("{agent}/folders/detach/{}", id(&docs)),
            format!("{agent}/files/{file}/open"),
            format!("{agent}/files/{file}/close"),
            format!("{agent}/files/close-all"),
        ] {
            assert_error(&eve.patch(&path, &json!({})).await.unwrap(), 404, "not found");
        }
        for path in [format!("{folder}/{file}"), folder] {
            assert_error(&eve.delete(&path).await.unwrap(), 404, "not found");
        }
        let theirs = eve.post("/v1/agents/", &json!({ "model": "openai/scripted" })).await.unwrap().expect_json();
        let attach = format!("/v1/agents/{}/folders/attach/{}", id(&theirs), id(&docs));
        assert_error(&eve.patch(&attach, &json!({})).await.unwrap(), 404, "not found");
        let body = json!({ "model": "openai/scripted", "folder_ids": [id(&docs)] });
        assert_error(&eve.post("/v1/agents/", &body).await.unwrap(), 404, "not found");
    })
    .await;
}
