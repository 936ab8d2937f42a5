use chrono::Duration;
use muisti_orm::{
    Error, agents, runs,
    schema::{AgentId, OrganizationId, ProviderTrace, ProviderTraceId, RunId, StepId, Timestamp},
    traces::{self, AGENT_STEP},
};
use serde_json::json;

use crate::support::{Fixture, new_actor, on_both};

fn trace(agent: AgentId, step: StepId, call_type: &str, said: &str) -> ProviderTrace {
    serde_json::from_value(json!({
        "id": ProviderTraceId::random(), "agent_id": agent, "step_id": step, "call_type": call_type,
        "request_json": { "model": "m", "messages": [{ "content": "with \u{0} in it" }] },
        "response_json": { "said": said }, "agent_tags": ["a"], "llm_config": { "model": "m" },
    }))
    .unwrap()
}

impl Fixture {
    /// Stores a step of this agent, which took some time, in a run.
    async fn add_step(&self, agent: AgentId) -> (RunId, StepId) {
        let (run, step, organization) = (RunId::random(), StepId::random(), self.actor.organization_id);
        let now = "'2025-01-01 00:00:00'";
        self.sql(&format!(
            "INSERT INTO runs (id, organization_id, agent_id, status, history_key, created_at, updated_at)
             VALUES ('{run}', '{organization}', '{agent}', 'completed', '{agent}', {now}, {now});
             INSERT INTO steps (id, organization_id, agent_id, run_id, model, tags, status, created_at, updated_at,
                                step_start_ns, llm_request_ns, step_ns)
             VALUES ('{step}', '{organization}', '{agent}', '{run}', 'm', '[]', 'failed', {now}, {now}, 5, 20, 30);"
        ));
        (run, step)
    }

    async fn add_traces(&self, traces: Vec<ProviderTrace>) -> Result<(), Error> {
        let add = move |conn: &mut _, actor: &muisti_orm::Actor| {
            let org_id = Some(actor.organization_id);
            let rows: Vec<_> = traces.into_iter().map(|trace| ProviderTrace { org_id, ..trace }).collect();
            traces::insert(conn, &rows)
        };
        self.attempt(add).await
    }

    async fn said_in(&self, organization: OrganizationId, step: StepId) -> Option<String> {
        let found = self.with(move |conn, _| traces::of_step(conn, organization, step)).await?;
        Some(found.response_json["said"].as_str().unwrap().to_owned())
    }
}

on_both! {
    async fn the_last_call_of_the_step_itself_is_its_trace(f) {
        let agent = f.add_agent("Ada").await;
        let (_, step) = f.add_step(agent).await;
        let organization = f.actor.organization_id;
        assert_eq!(f.said_in(organization, step).await, None);
        f.add_traces(vec![trace(agent, step, "summarization", "short")]).await.unwrap();
        assert_eq!(f.said_in(organization, step).await.as_deref(), Some("short"));
        for said in ["first", "second"] {
            f.add_traces(vec![trace(agent, step, AGENT_STEP, said)]).await.unwrap();
        }
        f.add_traces(vec![trace(agent, step, "summarization", "again")]).await.unwrap();
        assert_eq!(f.said_in(organization, step).await.as_deref(), Some("second"));
        let other = new_actor(&f.db).await;
        assert_eq!(f.said_in(other.organization_id, step).await, None);

        let stored = f.with(move |conn, _| traces::of_step(conn, organization, step)).await.unwrap();
        assert_eq!((stored.agent_tags, stored.org_id), (Some(vec!["a".to_owned()]), Some(organization)));
        assert_eq!(stored.llm_config.unwrap()["model"], "m");
        assert!(stored.request_json["messages"][0]["content"].as_str().unwrap().starts_with("with "));
    }

    async fn a_trace_of_nothing_is_refused_and_those_of_an_agent_go_with_it(f) {
        let agent = f.add_agent("Ada").await;
        let (run, step) = f.add_step(agent).await;
        let gone = trace(AgentId::random(), step, AGENT_STEP, "x");
        let refused = f.add_traces(vec![trace(agent, step, AGENT_STEP, "y"), gone]).await;
        assert!(matches!(refused, Err(Error::ForeignKey { .. })), "{refused:?}");
        assert_eq!(f.said_in(f.actor.organization_id, step).await, None, "all or none");

        f.add_traces(vec![ProviderTrace { run_id: Some(run), ..trace(agent, step, AGENT_STEP, "y") }]).await.unwrap();
        f.with(move |conn, actor| runs::delete(conn, actor.organization_id, run)).await;
        assert_eq!(f.said_in(f.actor.organization_id, step).await.as_deref(), Some("y"));
        f.with(move |conn, actor| agents::delete(conn, actor.organization_id, agent)).await;
        assert_eq!(f.said_in(f.actor.organization_id, step).await, None);
    }

    async fn old_traces_are_deleted_some_at_a_time(f) {
        let agent = f.add_agent("Ada").await;
        let (_, step) = f.add_step(agent).await;
        let old: Timestamp = (Timestamp::now().utc() - Duration::days(40)).into();
        let border: Timestamp = (Timestamp::now().utc() - Duration::days(30)).into();
        let aged = || ProviderTrace { created_at: old, ..trace(agent, step, AGENT_STEP, "old") };
        f.add_traces(vec![aged(), aged(), aged(), trace(agent, step, AGENT_STEP, "new")]).await.unwrap();
        let mut deleted = Vec::new();
        for _ in 0..3 {
            deleted.push(f.with(move |conn, _| traces::delete_before(conn, border, 2)).await);
        }
        assert_eq!(deleted, [2, 1, 0]);
        assert_eq!(f.said_in(f.actor.organization_id, step).await.as_deref(), Some("new"));
    }

    async fn the_times_of_a_runs_steps_are_read_together(f) {
        let agent = f.add_agent("Ada").await;
        let (run, step) = f.add_step(agent).await;
        let times = f.with(move |conn, actor| traces::step_times(conn, actor.organization_id, run)).await;
        assert_eq!(times.len(), 1);
        assert_eq!((times[0].id, times[0].failed, times[0].model.as_deref()), (step, true, Some("m")));
        assert_eq!((times[0].start_ns, times[0].llm_ns, times[0].duration_ns), (Some(5), Some(20), Some(30)));
        let other = new_actor(&f.db).await;
        assert!(f.with(move |conn, _| traces::step_times(conn, other.organization_id, run)).await.is_empty());
    }
}
