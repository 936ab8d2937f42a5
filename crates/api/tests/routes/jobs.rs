//! `/v1/jobs`

use muisti_api::managers::{
    DEFAULT_ACTOR,
    orm::jobs,
    schema::{Job, JobId},
};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database};

impl App {
    /// Stores a job of the default user; no route makes one.
    pub(crate) async fn job(&self, fields: Value) -> String {
        let mut job = json!({ "id": JobId::random() });
        job.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let job: Job = serde_json::from_value(job).unwrap();
        let id = job.id.to_string();
        self.write(move |conn| jobs::insert(conn, &DEFAULT_ACTOR, &job)).await;
        id
    }
}

#[tokio::test]
async fn jobs_are_listed_by_age_and_paged() {
    on_each_database(async |app| {
        let made = |second| json!({ "created_at": format!("2026-01-05T10:00:0{second}Z") });
        let (a, b, c) = (app.job(made(1)).await, app.job(made(2)).await, app.job(made(3)).await);
        assert_eq!(each(&app.list("/v1/jobs/").await, "id"), [&*c, &b, &a]);
        assert_eq!(each(&app.list("/v1/jobs/?order=asc&limit=2").await, "id"), [&*a, &b]);
        assert_eq!(each(&app.list("/v1/jobs/?order=asc&ascending=false").await, "id"), [&*c, &b, &a]);
        for order in ["asc", "desc"] {
            assert_eq!(each(&app.list(&format!("/v1/jobs/?order={order}&before={b}")).await, "id"), [&*a]);
            assert_eq!(each(&app.list(&format!("/v1/jobs/?order={order}&after={b}")).await, "id"), [&*c]);
        }
        let unknown = JobId::random();
        assert_error(
            &app.get(&format!("/v1/jobs/?after={unknown}")).await,
            400,
            &format!("Job with id {unknown} not found"),
        );
    })
    .await;
}

#[tokio::test]
async fn active_jobs_are_those_that_have_not_ended() {
    on_each_database(async |app| {
        let source =
            json!({ "status": "running", "created_at": "2026-01-05T10:00:00Z", "metadata": { "source_id": "s-1" } });
        let running = app.job(source).await;
        let created = app.job(json!({})).await;
        app.job(json!({ "status": "completed" })).await;
        assert_eq!(each(&app.list("/v1/jobs/active").await, "id"), [&*running, &created]);
        assert_eq!(each(&app.list("/v1/jobs/active?ascending=false&limit=1").await, "id"), [&*created]);
        assert_eq!(each(&app.list("/v1/jobs/active?source_id=s-1").await, "id"), [&*running]);
        assert_eq!(each(&app.list("/v1/jobs/?active=true").await, "id"), [&*created, &running]);
        assert_eq!(each(&app.list("/v1/jobs/?source_id=s-1").await, "id"), [&*running]);
    })
    .await;
}

#[tokio::test]
async fn a_job_is_cancelled_once_and_deleted() {
    on_each_database(async |app| {
        let job = app.job(json!({ "status": "running" })).await;
        let path = format!("/v1/jobs/{job}");
        assert_eq!(app.list(&path).await["status"], "running");
        let cancelled = app.patch(&format!("{path}/cancel"), Value::Null).await.expect_json();
        assert_eq!(cancelled["status"], "cancelled");
        assert!(cancelled["completed_at"].is_string(), "{cancelled}");
        assert_eq!(app.patch(&format!("{path}/cancel"), Value::Null).await.expect_json(), cancelled);
        let deleted = app.delete(&path).await.expect_json();
        assert_eq!(id(&deleted), job);
        for gone in
            [app.get(&path).await, app.delete(&path).await, app.patch(&format!("{path}/cancel"), Value::Null).await]
        {
            assert_error(&gone, 404, &format!("Job with id {job} not found"));
        }
        let done = app.job(json!({ "status": "completed" })).await;
        let done = app.patch(&format!("/v1/jobs/{done}/cancel"), Value::Null).await.expect_json();
        assert_eq!(done["status"], "completed");
        assert_error(&app.get("/v1/jobs/job-1").await, 422, "job_id");
    })
    .await;
}
