use muisti_orm::{
    Order, Page,
    schema::{AgentId, RunId, StepId},
    steps::{self, StepFilter},
};

use crate::support::{Fixture, on_both};

impl Fixture {
    /// Stores a step with this text in its column of tags.
    async fn add_tagged_step(&self, agent: AgentId, tags: &str) -> StepId {
        let (run, step, organization) = (RunId::random(), StepId::random(), self.actor.organization_id);
        let now = "'2025-01-01 00:00:00'";
        self.sql(&format!(
            "INSERT INTO runs (id, organization_id, agent_id, status, history_key, created_at, updated_at)
             VALUES ('{run}', '{organization}', '{agent}', 'completed', '{agent}', {now}, {now});
             INSERT INTO steps (id, organization_id, agent_id, run_id, model, tags, status, created_at, updated_at)
             VALUES ('{step}', '{organization}', '{agent}', '{run}', 'm', '{tags}', 'success', {now}, {now});"
        ));
        step
    }

    async fn tagged(&self, tags: &[&str]) -> Vec<StepId> {
        let filter = StepFilter { tags: tags.iter().map(|&tag| tag.to_owned()).collect(), ..Default::default() };
        let list = move |conn: &mut _, actor: &muisti_orm::Actor| {
            steps::list(conn, actor.organization_id, &filter, &Page::first(10, Order::Asc))
        };
        let mut found: Vec<StepId> = self.with(list).await.iter().map(|step| step.id).collect();
        found.sort_unstable();
        found
    }
}

on_both! {
    async fn steps_are_found_by_any_of_their_tags_as_a_whole(f) {
        let agent = f.add_agent("Ada").await;
        let one = f.add_tagged_step(agent, r#"["red", "a \"b\" 50%"]"#).await;
        let two = f.add_tagged_step(agent, r#"["blue", "grün"]"#).await;
        f.add_tagged_step(agent, "[]").await;
        let mut both = [one, two];
        both.sort_unstable();
        assert_eq!(f.tagged(&["red"]).await, [one]);
        assert_eq!(f.tagged(&["a \"b\" 50%"]).await, [one]);
        assert_eq!(f.tagged(&["grün", "grey"]).await, [two]);
        assert_eq!(f.tagged(&["blue", "red"]).await, both);
        assert!(f.tagged(&["re", "RED", "b", "%"]).await.is_empty());
        let many: Vec<String> = (0..5_000).map(|n| format!("tag {n}")).chain(["red".to_owned()]).collect();
        assert_eq!(f.tagged(&many.iter().map(String::as_str).collect::<Vec<_>>()).await, [one]);
    }
}
