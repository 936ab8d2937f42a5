//! The queue of callbacks: what is due, who gets it, and how it ends.

use std::time::Duration;

use muisti_orm::{
    callbacks::{self, Callback, Outcome},
    runs,
    schema::{RunId, Timestamp},
};

use crate::support::{Fixture, on_both};

const LEASE: Duration = Duration::from_secs(60);

impl Fixture {
    /// Stores a run in this state that is to be posted to the address. One that is going lives on some node.
    async fn add_run(&self, status: &str, callback_url: Option<&str>) -> RunId {
        let (agent, id) = (self.add_agent("caller").await, RunId::random());
        let organization = self.actor.organization_id;
        let url = callback_url.map_or("NULL".to_owned(), |url| format!("'{url}'"));
        let node = if ["created", "running"].contains(&status) { "'here'" } else { "NULL" };
        self.sql(&format!(
            "INSERT INTO runs (id, organization_id, agent_id, status, history_key, accepted, callback_url, node_id, \
             created_at, updated_at) VALUES ('{id}', '{organization}', '{agent}', '{status}', '{agent}', FALSE, {url}, \
             {node}, '2026-01-05 10:00:00', '2026-01-05 10:00:00')"
        ));
        id
    }

    async fn claim(&self, lease: Duration) -> Vec<Callback> {
        self.with(move |conn, _| callbacks::claim(conn, lease, 10)).await
    }

    async fn record(&self, callback: &Callback, answer: Result<i32, &str>, again_at: Option<Timestamp>) -> bool {
        let outcome = Outcome { answer: answer.map_err(str::to_owned), again_at };
        let callback = callback.clone();
        self.with(move |conn, _| callbacks::record(conn, &callback, &outcome)).await
    }
}

on_both! {
    async fn an_end_is_claimed_once_and_only_when_it_is_there(f) {
        f.add_run("running", Some("http://a.example/")).await;
        f.add_run("created", Some("http://a.example/")).await;
        f.add_run("completed", None).await;
        let unfinished = f.add_run("cancelled", Some("http://a.example/")).await;
        f.sql(&format!("UPDATE runs SET node_id = 'here' WHERE id = '{unfinished}'"));
        assert_eq!(f.with(|conn, _| callbacks::next_due(conn)).await, None);
        assert_eq!(f.claim(LEASE).await, []);
        let ended = [f.add_run("failed", Some("http://b.example/")).await, f.add_run("cancelled", Some("http://c.example/")).await];
        assert!(f.with(|conn, _| callbacks::next_due(conn)).await.unwrap() < Timestamp::now());
        let claimed = f.claim(LEASE).await;
        let mut runs: Vec<RunId> = claimed.iter().map(|callback| callback.run_id).collect();
        runs.sort_by_key(|run| ended.iter().position(|id| id == run));
        assert_eq!(runs, ended);
        assert!(claimed.iter().all(|callback| callback.attempt == 1 && callback.organization_id == f.actor.organization_id));
        assert_eq!(f.claim(LEASE).await, []);
        assert!(f.with(|conn, _| callbacks::next_due(conn)).await.unwrap() > Timestamp::now());
    }

    async fn two_who_claim_at_once_do_not_get_the_same(f) {
        for number in 0..20 {
            f.add_run("completed", Some(&format!("http://{number}.example/"))).await;
        }
        let (one, two) = tokio::join!(f.claim(LEASE), f.claim(LEASE));
        let mut runs: Vec<String> = one.iter().chain(&two).map(|callback| callback.run_id.to_string()).collect();
        let all = runs.len();
        runs.sort();
        runs.dedup();
        assert_eq!(runs.len(), all);
        assert!(all >= 10, "{all}");
    }

    async fn a_claim_that_is_not_settled_is_lost(f) {
        f.add_run("completed", Some("http://a.example/")).await;
        let lost = f.claim(Duration::ZERO).await.remove(0);
        let taken_over = f.claim(LEASE).await.remove(0);
        assert_eq!((taken_over.run_id, taken_over.attempt), (lost.run_id, 2));
        assert!(!f.record(&lost, Ok(200), None).await);
        assert!(f.record(&taken_over, Ok(202), None).await);
        assert_eq!(f.with(|conn, _| callbacks::next_due(conn)).await, None);
    }

    async fn the_last_outcome_is_kept(f) {
        let id = f.add_run("completed", Some("http://a.example/")).await;
        let first = f.claim(LEASE).await.remove(0);
        assert!(f.record(&first, Err("no\0answer"), Some(Timestamp::now())).await);
        let organization = f.actor.organization_id;
        let run = f.with(move |conn, _| runs::get(conn, organization, id)).await.unwrap();
        assert_eq!((run.callback_error.as_deref(), run.callback_status_code), (Some("noanswer"), None));
        assert_eq!(run.callback_sent_at, None);
        let second = f.claim(LEASE).await.remove(0);
        assert_eq!(second.attempt, 2);
        assert!(f.record(&second, Ok(202), None).await);
        let run = f.with(move |conn, _| runs::get(conn, organization, id)).await.unwrap();
        assert_eq!((run.callback_error, run.callback_status_code), (None, Some(202)));
        assert!(run.callback_sent_at.is_some());
        assert_eq!(f.claim(LEASE).await, []);
    }
}
