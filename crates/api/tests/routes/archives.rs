//! `/v1/archives`, `/v1/passages` and the archival memory of agents

use muisti_testkit::{Answer, Response};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database};

const UUID: &str = "123e4567-e89b-42d3-8456-426614174000";

impl App {
    async fn archive(&mut self, name: &str) -> Value {
        self.post("/v1/archives/", json!({ "name": name })).await.expect_json()
    }

    async fn remember(&mut self, agent: &str, body: Value) -> Value {
        let stored = self.post(&format!("/v1/agents/{agent}/archival-memory"), body).await.expect_json();
        assert_eq!(stored.as_array().unwrap().len(), 1);
        stored[0].clone()
    }
}

#[track_caller]
fn assert_gone(response: &Response) {
    assert_eq!((response.status, response.text().as_str()), (204, ""));
}

#[tokio::test]
async fn an_archive_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let archive =
            app.post("/v1/archives/", json!({ "name": "Notes", "description": "What to keep." })).await.expect_json();
        assert_eq!(archive["vector_db_provider"], "native");
        assert_eq!((&archive["embedding_config"], &archive["metadata"]), (&Value::Null, &Value::Null));
        let path = format!("/v1/archives/{}", id(&archive));
        assert_eq!(app.list(&path).await, archive);
        let changed = app.patch(&path, json!({ "name": "Papers\0", "description": null })).await.expect_json();
        assert_eq!((&changed["name"], &changed["description"]), (&json!("Papers"), &json!("What to keep.")));
        assert_eq!(app.list(&path).await, changed);
        assert_gone(&app.delete(&path).await);
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
        let model =
            app.post("/v1/archives/", json!({ "name": "x", "embedding": "openai/text-embedding-3-small" })).await;
        assert_eq!(model.expect_json()["embedding_config"]["handle"], "openai/text-embedding-3-small");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_an_archive_is_refused() {
    on_each_database(async |app| {
        for (body, status, fragment) in [
            (json!({}), 422, "name"),
            (json!({ "name": 5 }), 422, "string_type"),
            (
                json!({ "name": "x", "embedding": "openai/none" }),
                400,
                "INVALID_ARGUMENT: Embedding model openai/none not found",
            ),
            (json!({ "name": "x", "embedding": "nonsense" }), 422, "provider/model-name"),
        ] {
            assert_error(&app.post("/v1/archives/", body).await, status, fragment);
        }
        assert_error(&app.get("/v1/archives/archive-1").await, 422, "archive-{uuid4}");
        assert_error(&app.get("/v1/archives/?order_by=name").await, 422, "created_at");
        assert_error(&app.get("/v1/archives/?agent_id=x").await, 400, "INVALID_ARGUMENT: Invalid agent ID format: x");
        assert_error(&app.get(&format!("/v1/archives/?agent_id=agent-{UUID}")).await, 404, "not found");
        assert_error(&app.get(&format!("/v1/archives/?after=archive-{UUID}")).await, 404, "No Archive found");
        assert_eq!(app.list("/v1/archives/").await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn archives_are_listed_and_paged() {
    on_each_database(async |app| {
        let mut ids = Vec::new();
        for name in ["a", "b", "b", "c"] {
            ids.push(id(&app.archive(name).await).to_owned());
        }
        assert_eq!(each(&app.list("/v1/archives/").await, "name"), ["c", "b", "b", "a"]);
        assert_eq!(each(&app.list("/v1/archives/?order=asc&limit=3").await, "id"), ids[..3]);
        assert_eq!(
            each(&app.list(&format!("/v1/archives/?order=asc&limit=2&after={}", ids[0])).await, "id"),
            ids[1..3]
        );
        assert_eq!(each(&app.list(&format!("/v1/archives/?limit=1&before={}", ids[0])).await, "id"), ids[1..2]);
        assert_eq!(each(&app.list("/v1/archives/?name=b&order=asc").await, "id"), ids[1..3]);
    })
    .await;
}

#[tokio::test]
async fn an_agent_has_one_archive_at_most() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "name": "Ada", "tags": ["t"] })).await;
        let (one, two) = (app.archive("one").await, app.archive("two").await);
        let link = |verb: &str, archive: &str| format!("/v1/agents/{}/archives/{verb}/{archive}", id(&agent));
        for _ in 0..2 {
            let attached = app.patch(&link("attach", id(&one)), json!({})).await;
            assert_eq!((attached.status, attached.text().as_str()), (200, "null"));
        }
        assert_error(&app.patch(&link("attach", id(&two)), json!({})).await, 409, "can have only one");
        let agents = format!("/v1/archives/{}/agents", id(&one));
        assert_eq!(each(&app.list(&agents).await, "id"), [id(&agent)]);
        assert_eq!(app.list(&format!("{agents}?order=asc&limit=1&include=agent.tags")).await[0]["tags"], json!(["t"]));
        assert_eq!(app.list(&format!("{agents}?after={}", id(&agent))).await, json!([]));
        assert_eq!(each(&app.list(&format!("/v1/archives/?agent_id={}", id(&agent))).await, "id"), [id(&one)]);
        for _ in 0..2 {
            assert_eq!(app.patch(&link("detach", id(&one)), json!({})).await.expect_json(), Value::Null);
        }
        assert_eq!(app.list(&agents).await, json!([]));

        for verb in ["attach", "detach"] {
            assert_error(&app.patch(&link(verb, "x"), json!({})).await, 400, "INVALID_ARGUMENT: Invalid archive ID");
            assert_error(&app.patch(&link(verb, &format!("archive-{UUID}")), json!({})).await, 404, "Archive with ID");
            let path = format!("/v1/agents/agent-{UUID}/archives/{verb}/{}", id(&one));
            assert_error(&app.patch(&path, json!({})).await, 404, "Agent with ID");
        }
        assert_error(&app.get(&format!("/v1/archives/archive-{UUID}/agents")).await, 404, "not found");
        app.patch(&link("attach", id(&two)), json!({})).await.expect_json();
        assert_gone(&app.delete(&format!("/v1/archives/{}", id(&two))).await);
        assert_eq!(app.get(&format!("/v1/agents/{}", id(&agent))).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn passages_go_into_an_archive_and_out_of_it() {
    on_each_database(async |app| {
        let (archive, other) = (app.archive("a").await, app.archive("b").await);
        let path = format!("/v1/archives/{}/passages", id(&archive));
        let body = json!({
            "text": "A\0 text.", "tags": ["b", "a", "b"], "metadata": { "page": 1 }, "created_at": "2024-01-16T14:45:00",
        });
        let passage = app.post(&path, body).await.expect_json();
        assert_eq!((&passage["text"], &passage["tags"]), (&json!("A text."), &json!(["b", "a"])));
        assert_eq!((&passage["created_at"], &passage["metadata"]), (&json!("2024-01-16T14:45:00Z"), &json!({ "page": 1 })));
        assert_eq!((&passage["archive_id"], &passage["embedding"]), (&archive["id"], &Value::Null));
        let plain = app.post(&path, json!({ "text": "" })).await.expect_json();
        assert_eq!((&plain["tags"], &plain["metadata"]), (&Value::Null, &json!({})));

        let batch = json!({ "passages": [{ "text": "two" }, { "text": "one", "tags": [] }] });
        let batch = app.post(&format!("{path}/batch"), batch).await.expect_json();
        assert_eq!(each(&batch, "text"), ["two", "one"]);
        assert_eq!(app.post(&format!("{path}/batch"), json!({ "passages": [] })).await.expect_json(), json!([]));
        let half = json!({ "passages": [{ "text": "kept?" }, { "text": "x", "created_at": "yesterday" }] });
        assert_error(&app.post(&format!("{path}/batch"), half).await, 400, "created_at is 'yesterday'");
        let found = app.post("/v1/passages/search", json!({ "archive_id": archive["id"] })).await.expect_json();
        assert_eq!(found.as_array().unwrap().len(), 4);

        assert_error(&app.post(&path, json!({})).await, 422, "text");
        assert_error(&app.post(&path, json!({ "text": "x", "tags": ["t".repeat(513)] })).await, 422, "at most 512");
        assert_eq!(app.post(&path, json!({ "text": "x", "tags": ["t".repeat(500)] })).await.status, 200);
        let unknown = format!("/v1/archives/archive-{UUID}/passages");
        assert_error(&app.post(&unknown, json!({ "text": "x" })).await, 404, "Archive with ID");
        assert_error(&app.post(&format!("{unknown}/batch"), json!({ "passages": [] })).await, 404, "Archive with ID");

        let wrong = format!("/v1/archives/{}/passages/{}", id(&other), id(&passage));
        assert_error(&app.delete(&wrong).await, 400, "does not belong to archive");
        assert_gone(&app.delete(&format!("{path}/{}", id(&passage))).await);
        assert_error(&app.delete(&format!("{path}/{}", id(&passage))).await, 404, "not found");
        assert_error(&app.delete(&format!("{path}/passage-1")).await, 422, "passage-{uuid4}");
    })
    .await;
}

#[tokio::test]
async fn an_agents_archival_memory_is_kept_listed_and_forgotten() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "name": "Ada" })).await;
        let path = format!("/v1/agents/{}/archival-memory", id(&agent));
        assert_eq!(app.list(&path).await, json!([]));
        let mut ids = Vec::new();
        for (day, text) in [(1, "one"), (2, "two"), (3, "100% three"), (3, "four")] {
            let body = json!({ "text": text, "tags": ["t"], "created_at": format!("2024-01-0{day}T00:00:00Z") });
            ids.push(id(&app.remember(id(&agent), body).await).to_owned());
        }
        // Of the same time the smaller id is the older one.
        ids[2..].sort();
        let archives = app.list(&format!("/v1/archives/?agent_id={}", id(&agent))).await;
        assert_eq!(each(&archives, "name"), ["Ada's Archive"]);
        assert_eq!(each(&app.list(&path).await, "id"), ids);
        let back: Vec<_> = ids.iter().rev().cloned().collect();
        assert_eq!(each(&app.list(&format!("{path}?ascending=false")).await, "id"), back);
        assert_eq!(each(&app.list(&format!("{path}?limit=2&after={}", ids[0])).await, "id"), ids[1..3]);
        assert_eq!(each(&app.list(&format!("{path}?limit=2&before={}", ids[3])).await, "id"), ids[1..3]);
        assert_eq!(each(&app.list(&format!("{path}?ascending=false&limit=2&after={}", ids[2])).await, "id"), back[2..]);
        assert_eq!(each(&app.list(&format!("{path}?search=0%25%20T")).await, "text"), ["100% three"]);
        assert_error(&app.get(&format!("{path}?limit=-1")).await, 422, "greater than or equal to 0");
        assert_error(&app.get(&format!("{path}?after=passage-{UUID}")).await, 404, "No Passage found");

        let deleted = app.delete(&format!("{path}/{}", ids[0])).await.expect_json();
        assert_eq!(deleted, json!({ "message": format!("Memory id={} successfully deleted", ids[0]) }));
        for gone in [ids[0].as_str(), "x", &format!("passage-{UUID}")] {
            let text = format!("Passage with id {gone} not found in database.");
            assert_error(&app.delete(&format!("{path}/{gone}")).await, 404, &text);
        }
        // What another agent keeps is not to be deleted through this one.
        let other = app.agent(json!({})).await;
        let theirs = app.remember(id(&other), json!({ "text": "theirs" })).await;
        assert_error(&app.delete(&format!("{path}/{}", id(&theirs))).await, 404, "not found");

        let unknown = format!("/v1/agents/agent-{UUID}/archival-memory");
        assert_error(&app.get(&unknown).await, 404, "Agent with ID");
        assert_error(&app.post(&unknown, json!({ "text": "x" })).await, 404, "Agent with ID");
        assert_error(&app.get("/v1/agents/agent-1/archival-memory").await, 422, "agent-{uuid4}");
        let long = "word ".repeat(9000);
        assert_error(&app.post(&path, json!({ "text": long })).await, 400, "exceeds token limit of 8192 tokens");
        assert_error(&app.post(&path, json!({ "text": "x", "created_at": "soon" })).await, 422, "created_at");
    })
    .await;
}

#[tokio::test]
async fn an_agents_archival_memory_is_searched() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "timezone": "Europe/Helsinki" })).await;
        let path = format!("/v1/agents/{}/archival-memory/search", id(&agent));
        assert_eq!(app.list(&format!("{path}?query=python")).await, json!({ "count": 0, "results": [] }));
        for (text, tags, day) in [
            ("Python is a language.", vec!["python"], 16),
            ("Pythons are snakes, and a python is long.", vec!["snakes", "python"], 17),
            ("Rust is a language too.", vec!["rust"], 18),
        ] {
            let body = json!({ "text": text, "tags": tags, "created_at": format!("2024-01-{day}T14:45:00Z") });
            app.remember(id(&agent), body).await;
        }
        let found = app.list(&format!("{path}?query=language&tags=python")).await;
        assert_eq!(found["count"], 1);
        let mut result = found["results"][0].clone();
        assert!(result["id"].as_str().unwrap().starts_with("passage-"));
        result.as_object_mut().unwrap().remove("id");
        let timestamp = "2024-01-16T16:45:00+02:00";
        assert_eq!(result, json!({ "timestamp": timestamp, "content": "Python is a language.", "tags": ["python"] }));
        let count = async |app: &mut App, query: &str| app.list(&format!("{path}?{query}")).await["count"].clone();
        for (query, expected) in [
            ("query=", 0),
            ("query=%20", 0),
            ("query=python%20language%20rust", 3),
            ("query=python%20language%20rust&top_k=2", 2),
            ("query=python%20language%20rust&top_k=0", 3),
            ("query=is&tags=python&tags=rust", 3),
            ("query=is&tags=python&tags=snakes&tag_match_mode=all", 1),
            ("query=is&start_datetime=2024-01-17", 2),
            ("query=is&start_datetime=2024-01-17T16:45&end_datetime=2024-01-17", 1),
            ("query=anguag", 2),
        ] {
            assert_eq!(count(app, query).await, expected, "{query}");
        }
        assert_error(&app.get(&path).await, 422, "missing");
        assert_error(
            &app.get(&format!("{path}?query=x&start_datetime=soon")).await,
            422,
            "Invalid start_datetime format",
        );
        assert_error(
            &app.get(&format!("{path}?query=x&tag_match_mode=some")).await,
            422,
            "Input should be 'any' or 'all'",
        );
        assert_error(&app.get(&format!("{path}?query=x&top_k=-1")).await, 422, "top_k is -1");
        let unknown = format!("/v1/agents/agent-{UUID}/archival-memory/search");
        assert_error(&app.get(&format!("{unknown}?query=x")).await, 404, "Agent with ID");
        assert_eq!(app.list(&format!("{unknown}?query=")).await["count"], 0);
    })
    .await;
}

#[tokio::test]
async fn passages_of_all_archives_are_searched() {
    on_each_database(async |app| {
        let (ada, eve) = (app.agent(json!({})).await, app.agent(json!({})).await);
        for (agent, text, time) in
            [(&ada, "The red house", "2024-01-01T10:00:00Z"), (&eve, "A house, a red house", "2024-01-02T10:00:00Z")]
        {
            app.remember(id(agent), json!({ "text": text, "created_at": time, "tags": ["x"] })).await;
        }
        let search = async |app: &mut App, body: Value| app.post("/v1/passages/search", body).await.expect_json();
        let texts =
            |found: &Value| found.as_array().unwrap().iter().map(|f| f["passage"]["text"].clone()).collect::<Vec<_>>();
        let found = search(app, json!({ "query": "red house" })).await;
        assert_eq!(found.as_array().unwrap().len(), 2);
        assert_eq!(found[0]["metadata"]["fts_rank"], 1);
        assert_eq!(found[0]["metadata"]["search_mode"], "fts");
        assert!(found[0]["score"].as_f64().unwrap() > found[1]["score"].as_f64().unwrap());
        let all = search(app, json!({})).await;
        assert_eq!(texts(&all), ["The red house", "A house, a red house"]);
        assert_eq!((&all[0]["score"], &all[0]["metadata"]), (&json!(0.0), &json!({})));
        assert!(search(app, json!({ "query": "hous" })).await[0]["passage"]["archive_id"].is_string());
        let of_ada = json!({ "query": "house", "agent_id": ada["id"], "archive_id": format!("archive-{UUID}") });
        assert_eq!(texts(&search(app, of_ada).await), ["The red house"]);
        assert_eq!(texts(&search(app, json!({ "end_date": "2024-01-01T00:00:00Z" })).await), ["The red house"]);
        assert_eq!(texts(&search(app, json!({ "start_date": "2024-01-02" })).await), ["A house, a red house"]);
        assert_eq!(search(app, json!({ "query": "house", "limit": 1 })).await.as_array().unwrap().len(), 1);
        assert_eq!(search(app, json!({ "query": "house", "tags": ["y"] })).await, json!([]));
        let bare = app.agent(json!({})).await;
        assert_eq!(search(app, json!({ "query": "house", "agent_id": bare["id"] })).await, json!([]));
        for (body, status, fragment) in [
            (json!({ "limit": 0 }), 422, "limit"),
            (json!({ "limit": 101 }), 422, "limit"),
            (json!({ "agent_id": format!("agent-{UUID}") }), 404, "Agent with ID"),
            (json!({ "archive_id": format!("archive-{UUID}") }), 404, "Archive with ID"),
            (json!({ "archive_id": "x" }), 422, "archive_id"),
            (json!({ "tag_match_mode": "some" }), 422, "tag_match_mode"),
        ] {
            assert_error(&app.post("/v1/passages/search", body).await, status, fragment);
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_uses_its_archival_memory_by_itself() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "tools": ["archival_memory_insert", "archival_memory_search"] })).await;
        app.model.push(Answer::tool_call(
            "archival_memory_insert",
            json!({ "content": "The door code is 4711.", "tags": ["home"] }),
        ));
        app.model.push(Answer::text("Stored."));
        let messages = format!("/v1/agents/{}/messages", id(&agent));
        let body = json!({ "messages": [{ "role": "user", "content": "The door code is 4711." }] });
        let answer = app.post(&messages, body).await.expect_json();
        assert_eq!(answer["messages"][1]["status"], "success");
        let stored = app.list(&format!("/v1/agents/{}/archival-memory", id(&agent))).await;
        assert_eq!(answer["messages"][1]["tool_return"], stored[0]["id"]);

        app.model.push(Answer::tool_call("archival_memory_search", json!({ "query": "door code" })));
        app.model.push(Answer::text("It is 4711."));
        let body = json!({ "messages": [{ "role": "user", "content": "What was the code?" }] });
        let answer = app.post(&messages, body).await.expect_json();
        assert!(answer["messages"][1]["tool_return"].as_str().unwrap().contains("4711"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn another_organization_sees_nothing() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let passage = app.remember(id(&agent), json!({ "text": "secret" })).await;
        let archive = passage["archive_id"].as_str().unwrap();
        let organization = app.post("/v1/admin/orgs/", json!({ "name": "theirs" })).await.expect_json();
        let user = json!({ "name": "eve", "organization_id": id(&organization) });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut eve = app.client().with_header("user_id", id(&user));
        assert_eq!(eve.get("/v1/archives/").await.unwrap().expect_json(), json!([]));
        let found = eve.post("/v1/passages/search", &json!({ "query": "secret" })).await.unwrap();
        assert_eq!(found.expect_json(), json!([]));
        let (agent, passage) = (id(&agent), id(&passage));
        for (method, path) in [
            ("GET", format!("/v1/archives/{archive}")),
            ("PATCH", format!("/v1/archives/{archive}")),
            ("DELETE", format!("/v1/archives/{archive}")),
            ("GET", format!("/v1/archives/{archive}/agents")),
            ("GET", format!("/v1/archives/?agent_id={agent}")),
            ("POST", format!("/v1/archives/{archive}/passages")),
            ("DELETE", format!("/v1/archives/{archive}/passages/{passage}")),
            ("PATCH", format!("/v1/agents/{agent}/archives/attach/{archive}")),
            ("PATCH", format!("/v1/agents/{agent}/archives/detach/{archive}")),
            ("GET", format!("/v1/agents/{agent}/archival-memory")),
            ("POST", format!("/v1/agents/{agent}/archival-memory")),
            ("GET", format!("/v1/agents/{agent}/archival-memory/search?query=secret")),
            ("DELETE", format!("/v1/agents/{agent}/archival-memory/{passage}")),
            ("GET", format!("/v1/agents/{agent}/archival-memory?after={passage}")),
        ] {
            let body = json!({ "text": "x" });
            let body = matches!(method, "POST" | "PATCH").then_some(&body);
            let response = eve.send(method, &path, body).await.unwrap();
            assert_eq!(response.status, 404, "{method} {path}: {}", response.text());
        }
        assert_eq!(app.list(&format!("/v1/agents/{agent}/archival-memory")).await.as_array().unwrap().len(), 1);
    })
    .await;
}
