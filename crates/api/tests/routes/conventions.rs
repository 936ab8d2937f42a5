//! What holds for every route: paths, methods, passwords, origins, errors, limits.

use muisti_testkit::user_message;
use serde_json::{Value, json};

use crate::harness::{assert_error, id, on_each_database, on_sqlite};

#[tokio::test]
async fn a_path_has_many_spellings() {
    on_sqlite(
        |server| server,
        async |app| {
            for path in ["/v1/tags/", "/v1/tags", "//v1//tags", "/latest/tags/", "/v1/tags/?limit=1"] {
                assert_eq!(app.list(path).await, json!([]), "{path}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_json() {
    on_sqlite(
        |server| server,
        async |app| {
            for path in ["/v1/nothing", "/nothing", "/v1", "/v1/agents/a/b/c/d"] {
                let response = app.get(path).await;
                assert_eq!((response.status, response.json()), (404, json!({ "detail": "Not Found" })), "{path}");
            }
            let response = app.client.send("PUT", "/v1/agents/", None).await.unwrap();
            assert_eq!((response.status, response.json()), (405, json!({ "detail": "Method Not Allowed" })));
            assert_eq!(response.header("allow"), Some("GET, HEAD, POST"));
        },
    )
    .await;
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    on_sqlite(
        |server| server,
        async |app| {
            let get = app.get("/v1/health").await;
            let head = app.client.send("HEAD", "/v1/health", None).await.unwrap();
            assert_eq!(head.status, 200);
            assert_eq!(head.header("content-length"), get.header("content-length"));
            // The connection is still in step.
            assert_eq!(app.get("/v1/health").await.status, 200);
        },
    )
    .await;
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    on_sqlite(
        |server| server,
        async |app| {
            let made = app.get("/v1/nothing").await.header("x-request-id").unwrap().to_owned();
            assert_eq!(made.len(), 32);
            let mut client = app.client().with_header("x-request-id", "my-request.1");
            assert_eq!(client.get("/v1/health").await.unwrap().header("x-request-id"), Some("my-request.1"));
            let mut client = app.client().with_header("x-request-id", "not sane");
            assert_ne!(client.get("/v1/health").await.unwrap().header("x-request-id"), Some("not sane"));
        },
    )
    .await;
}

#[tokio::test]
async fn a_password_guards_everything_but_the_health_checks() {
    on_sqlite(
        |server| server.env("LETTA_SERVER_PASSWORD", "open sesame"),
        async |app| {
            for path in ["/v1/agents/", "/v1/nothing", "/docs/", "/openapi.json", "/latest/tags"] {
                let response = app.get(path).await;
                assert_eq!((response.status, response.json()), (401, json!({ "detail": "Unauthorized" })), "{path}");
                assert_eq!(response.header("www-authenticate"), Some("Bearer"));
            }
            for path in ["/v1/health", "/latest/health/", "/v1/ready/"] {
                assert_eq!(app.get(path).await.status, 200, "{path}");
            }
            for (name, value, status) in [
                ("authorization", "Bearer open sesame", 200),
                ("x-bare-password", "password open sesame", 200),
                ("authorization", "Bearer Open sesame", 401),
                ("authorization", "open sesame", 401),
                ("authorization", "Bearer ", 401),
            ] {
                let response = app.client().with_header(name, value).get("/v1/tags/").await.unwrap();
                assert_eq!(response.status, status, "{name}: {value}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn allowed_origins_may_read_answers_and_errors() {
    on_sqlite(
        |server| server.env("LETTA_SERVER_PASSWORD", "secret"),
        async |app| {
            let origin = "http://localhost:3000";
            let mut page = app
                .client()
                .with_header("origin", origin)
                .with_header("access-control-request-method", "POST")
                .with_header("access-control-request-headers", "authorization,user_id");
            let preflight = page.send("OPTIONS", "/v1/agents/", None).await.unwrap();
            assert_eq!((preflight.status, preflight.text().as_str()), (200, "OK"));
            let header = |name| preflight.header(name).unwrap_or_default();
            assert_eq!(header("access-control-allow-origin"), origin);
            assert_eq!(header("access-control-allow-credentials"), "true");
            assert_eq!(header("access-control-allow-methods"), "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
            assert_eq!(header("access-control-allow-headers"), "authorization,user_id");
            assert_eq!(header("access-control-max-age"), "600");
            assert_eq!(header("vary"), "Origin");

            let refused = app.client().with_header("origin", origin).get("/v1/agents/").await.unwrap();
            assert_eq!(refused.status, 401);
            assert_eq!(refused.header("access-control-allow-origin"), Some(origin));
        },
    )
    .await;
}

#[tokio::test]
async fn other_origins_may_not() {
    on_sqlite(
        |server| server,
        async |app| {
            let mut page = app
                .client()
                .with_header("origin", "https://evil.example")
                .with_header("access-control-request-method", "DELETE");
            let preflight = page.send("OPTIONS", "/v1/agents/", None).await.unwrap();
            assert_eq!((preflight.status, preflight.text().as_str()), (400, "Disallowed CORS origin"));
            let simple = app.client().with_header("origin", "https://evil.example").get("/v1/health").await.unwrap();
            assert_eq!(simple.status, 200);
            assert_eq!(simple.header("access-control-allow-origin"), None);
        },
    )
    .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_an_answer() {
    on_sqlite(
        |server| server.arg("--body-limit").arg("1000"),
        async |app| {
            let body = json!({ "label": "x", "value": "y".repeat(1500) });
            let response = app.post("/v1/blocks/", body).await;
            assert_error(&response, 413, "larger than the limit of 1000 bytes");
            let body = vec![b' '; 5_000_000];
            let response = app.client().send_bytes("POST", "/v1/blocks/", "application/json", Some(&body)).await;
            // The server stops reading at some point, and the client may notice that first.
            assert!(response.is_err() || response.unwrap().status == 413);
            assert_eq!(app.get("/v1/health").await.status, 200);
        },
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_422_that_says_where() {
    on_sqlite(
        |server| server,
        async |app| {
            let mut seen = Vec::new();
            let cases: [(&str, &[u8]); 7] = [
                ("application/json", b""),
                ("application/json", b"{\"label\": }"),
                ("application/json", b"[]"),
                ("application/json", b"{\"value\": \"\xff\"}"),
                ("text/plain", b"{\"label\": \"x\", \"value\": \"y\"}"),
                ("application/json", b"{\"label\": 5, \"value\": \"y\"}"),
                ("application/problem+json; charset=utf-8", b"{\"value\": \"x\"}"),
            ];
            for (content_type, body) in cases {
                let response = app.client.send_bytes("POST", "/v1/blocks/", content_type, Some(body)).await.unwrap();
                let json = response.json();
                assert_eq!(response.status, 422, "{json}");
                assert_eq!(json["trace_id"], "");
                let detail: Value = serde_json::from_str(json["detail"].as_str().unwrap()).unwrap();
                assert_eq!(detail, json["errors"]);
                seen.push(format!("{} {}", detail[0]["type"].as_str().unwrap(), detail[0]["loc"]));
            }
            assert_eq!(
                seen,
                [
                    "missing [\"body\"]",
                    "json_invalid [\"body\",11]",
                    "model_attributes_type [\"body\"]",
                    "json_invalid [\"body\",11]",
                    "model_attributes_type [\"body\"]",
                    "string_type [\"body\",\"label\"]",
                    "missing [\"body\",\"label\"]",
                ]
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_malformed_id_shows_what_it_should_look_like() {
    on_sqlite(
        |server| server,
        async |app| {
            for (path, example) in [
                ("/v1/agents/foo", "agent-123e4567-e89b-42d3-8456-426614174000"),
                ("/v1/blocks/agent-123e4567-e89b-42d3-8456-426614174000", "block-123e4567-e89b-42d3-8456-426614174000"),
                ("/v1/tools/%00", "tool-123e4567-e89b-42d3-8456-426614174000"),
                ("/v1/steps/..", "step-123e4567-e89b-42d3-8456-426614174000"),
            ] {
                let response = app.get(path).await;
                assert_eq!(response.status, 422, "{path}: {}", response.text());
                assert_eq!(response.json()["examples"], json!([example]), "{path}");
            }
            assert_error(&app.get("/v1/runs/foo").await, 400, "INVALID_ARGUMENT: Invalid run ID format: foo");
        },
    )
    .await;
}

#[tokio::test]
async fn the_user_header_must_name_a_user() {
    on_sqlite(
        |server| server,
        async |app| {
            let user = "user-00000000-0000-4000-8000-000000000000";
            let known = app.client().with_header("user_id", user).get("/v1/tags/").await.unwrap();
            assert_eq!(known.status, 200);
            let malformed = app.client().with_header("user_id", "me").get("/v1/agents/foo").await.unwrap();
            assert_error(&malformed, 400, "Invalid user ID format: me. Expected format: 'user-<uuid4>'");
            let unknown = "user-123e4567-e89b-42d3-8456-426614174000";
            let unknown = app.client().with_header("user_id", unknown).get("/v1/tags/").await.unwrap();
            assert_error(&unknown, 404, "not found");
        },
    )
    .await;
}

#[tokio::test]
async fn limits_and_cursors_are_checked() {
    on_sqlite(
        |server| server,
        async |app| {
            app.block("human", "x").await;
            assert_eq!(app.list("/v1/blocks/?limit=0").await, json!([]));
            assert_eq!(app.list("/v1/blocks/?limit=1000000000").await.as_array().unwrap().len(), 1);
            assert_error(&app.get("/v1/blocks/?limit=-1").await, 422, "greater_than_equal");
            assert_error(&app.get("/v1/blocks/?limit=ten").await, 422, "int_parsing");
            assert_error(&app.get("/v1/blocks/?order=up").await, 422, "Input should be 'asc' or 'desc'");
            let cursor = "block-123e4567-e89b-42d3-8456-426614174000";
            assert_error(&app.get(&format!("/v1/blocks/?after={cursor}")).await, 404, "No Block found with id");
            assert_error(&app.get(&format!("/v1/agents/?before={cursor}")).await, 404, "No Agent found with id");
            assert_eq!(app.list("/v1/blocks/?after=&before=").await.as_array().unwrap().len(), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn nul_characters_are_taken_out_before_anybody_sees_them() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}/messages", id(&agent));
        app.post(&path, user_message("A\0 word\0.")).await.expect_json();
        assert_eq!(app.model.last_request().messages().last().unwrap()["content"], "A word.");
        let listed = app.list(&path).await;
        assert!(listed.to_string().contains("\"A word.\""), "{listed}");
    })
    .await;
}

#[tokio::test]
async fn the_documentation_is_served() {
    on_sqlite(
        |server| server,
        async |app| {
            let root = app.get("/").await;
            assert_eq!((root.status, root.header("location")), (307, Some("/docs")));
            let page = app.get("/docs/").await;
            assert!(page.text().contains("swagger-ui"), "{}", page.text());
            let document = app.list("/openapi.json").await;
            assert_eq!(document["openapi"], "3.1.0");
        },
    )
    .await;
}

#[tokio::test]
async fn a_page_whose_name_was_rebound_to_this_machine_is_refused() {
    on_sqlite(
        |server| server.env("MUISTI_ALLOWED_HOSTS", "muisti.lan"),
        async |app| {
            for (host, status) in [("evil.example", 403), ("muisti.lan:80", 200), ("localhost:9", 200)] {
                let text =
                    app.raw(&format!("GET /v1/health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
                assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {text}");
            }
        },
    )
    .await;
}
