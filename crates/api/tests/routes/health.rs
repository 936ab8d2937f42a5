//! `GET /v1/health` and `GET /v1/ready`

use serde_json::json;

use crate::harness::on_sqlite;

#[tokio::test]
async fn health_tells_the_version_that_clients_compare() {
    on_sqlite(
        |server| server,
        async |app| {
            for path in ["/v1/health/", "/v1/health", "/v1/ready/", "/latest/ready"] {
                assert_eq!(app.list(path).await, json!({ "version": "0.16.8", "status": "ok" }), "{path}");
            }
        },
    )
    .await;
}
