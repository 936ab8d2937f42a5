//! Jobs and who sees them.

use muisti_orm::{
    Actor, Order, Page,
    jobs::{self, JobFilter},
    schema::{Job, JobId, JobStatus, Timestamp, UserId},
    users,
};
use serde_json::{Value, json};

use crate::support::{Fixture, on_both};

fn job(fields: Value) -> Job {
    let mut job = json!({ "id": JobId::random() });
    job.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(job).unwrap()
}

impl Fixture {
    async fn add_job(&self, job: &Job) {
        let job = job.clone();
        self.with(move |conn, actor| jobs::insert(conn, actor, &job)).await;
    }

    async fn jobs(&self, filter: JobFilter) -> Vec<JobId> {
        let list = move |conn: &mut _, actor: &Actor| jobs::list(conn, actor, &filter, &Page::first(10, Order::Asc));
        self.with(list).await.into_iter().map(|job| job.id).collect()
    }
}

on_both! {
    async fn a_job_is_read_as_it_was_stored(f) {
        let mut stored = job(json!({
            "status": "completed", "metadata": { "source_id": "source-1", "n": 1 }, "callback_url": "http://a.example/",
            "callback_status_code": 202, "ttft_ns": 5, "background": true, "stop_reason": "end_turn",
            "created_at": "2026-01-05T10:00:00.5Z", "completed_at": "2026-01-05T10:00:01Z",
        }));
        f.add_job(&stored).await;
        let id = stored.id;
        let read = f.with(move |conn, actor| jobs::get(conn, actor, id)).await.unwrap();
        stored.updated_at = Some(stored.created_at);
        (stored.created_by_id, stored.last_updated_by_id) = (Some(f.actor.user_id), Some(f.actor.user_id));
        assert_eq!(read, stored);
        assert!(f.with(move |conn, actor| jobs::delete(conn, actor, id)).await);
        assert!(!f.with(move |conn, actor| jobs::delete(conn, actor, id)).await);
    }

    async fn a_job_belongs_to_its_user(f) {
        let mine = job(json!({}));
        f.add_job(&mine).await;
        let colleague = Actor { user_id: UserId::random(), ..f.actor };
        f.with(move |conn, actor| users::ensure(conn, colleague.user_id, actor.organization_id, "colleague")).await;
        let id = mine.id;
        f.with(move |conn, _| {
            assert_eq!(jobs::get(conn, &colleague, id)?, None);
            assert_eq!(jobs::list(conn, &colleague, &JobFilter::default(), &Page::first(9, Order::Asc))?, []);
            jobs::cancel(conn, &colleague, id)?;
            assert!(!jobs::delete(conn, &colleague, id)?);
            Ok(())
        })
        .await;
        let read = f.with(move |conn, actor| jobs::get(conn, actor, id)).await.unwrap();
        assert_eq!(read.status, JobStatus::Created);
    }

    async fn lists_are_narrowed_and_show_plain_jobs_only(f) {
        let jobs = [
            job(json!({ "status": "running", "metadata": { "source_id": "source-1" } })),
            job(json!({ "status": "failed", "metadata": { "source_id": "source-1" } })),
            job(json!({ "status": "created" })),
            job(json!({ "job_type": "batch" })),
        ];
        for job in &jobs {
            f.add_job(job).await;
        }
        assert_eq!(f.jobs(JobFilter::default()).await, [jobs[0].id, jobs[1].id, jobs[2].id]);
        assert_eq!(f.jobs(JobFilter { active: true, source_id: None }).await, [jobs[0].id, jobs[2].id]);
        let source_id = Some("source-1".to_owned());
        assert_eq!(f.jobs(JobFilter { active: true, source_id }).await, [jobs[0].id]);
    }

    async fn a_job_that_has_ended_cannot_be_cancelled(f) {
        for (status, after) in [("pending", "cancelled"), ("running", "cancelled"), ("expired", "expired")] {
            let job = job(json!({ "status": status }));
            f.add_job(&job).await;
            let id = job.id;
            f.with(move |conn, actor| jobs::cancel(conn, actor, id)).await;
            let read = f.with(move |conn, actor| jobs::get(conn, actor, id)).await.unwrap();
            assert_eq!(read.status.as_str(), after);
            assert_eq!(read.completed_at.is_some_and(|at| at <= Timestamp::now()), after == "cancelled");
        }
    }
}
