//! `GET /v1/models/` and `GET /v1/models/embedding`

use serde_json::json;

use crate::harness::{assert_error, each, on_sqlite};

#[tokio::test]
async fn the_models_of_all_providers_are_listed() {
    on_sqlite(
        |server| server.arg("--dev"),
        async |app| {
            let handles = each(&app.list("/v1/models/").await, "handle");
            assert!(handles.iter().any(|handle| handle.ends_with("/scripted")), "{handles:?}");
            assert!(handles.contains(&"muisti/test".to_owned()), "{handles:?}");
            let handles = each(&app.list("/v1/models/?provider_name=openai").await, "handle");
            assert!(handles.iter().all(|handle| handle.ends_with("/scripted")) && handles.len() == 1, "{handles:?}");
            assert_eq!(app.list("/v1/models/?provider_category=byok").await, json!([]));
            assert_error(&app.get("/v1/models/?provider_type=oracle").await, 422, "Input should be '");
            assert!(app.list("/v1/models/embedding").await.is_array());
        },
    )
    .await;
}
