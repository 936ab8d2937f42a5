use muisti_orm::{
    frames,
    schema::{RunId, Timestamp},
};

use crate::support::on_both;

on_both! {
    async fn the_ids_of_many_messages_are_noted_together(f) {
        let since: Timestamp = (Timestamp::now().utc() - chrono::Duration::days(1)).into();
        let (first, second) = (RunId::random(), RunId::random());
        let (agent, organization) = (f.add_agent("Ada").await, f.actor.organization_id);
        for run in [first, second] {
            f.sql(&format!(
                "INSERT INTO runs (id, organization_id, agent_id, status, history_key, created_at, updated_at)
                 VALUES ('{run}', '{organization}', '{agent}', 'completed', '{agent}', '2025-01-01 00:00:00',
                         '2025-01-01 00:00:00')"
            ));
        }
        let long = "x".repeat(513);
        let noted = f
            .with(move |conn, _| {
                let ids: Vec<String> = (0..2_500).map(|n| format!("m{n}")).collect();
                let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                ids.extend(["m0", "m0", long.as_str()]);
                frames::note_otids(conn, organization, "history", &ids, first)?;
                frames::note_otids(conn, organization, "history", &["m1", "m1", "new"], second)?;
                let mut noted = Vec::new();
                for otid in ["m0", "m1", "m2499", "new", "m2500", long.as_str()] {
                    noted.push(frames::by_otid(conn, organization, "history", otid, since)?);
                }
                Ok(noted)
            })
            .await;
        assert_eq!(noted, [Some(first), Some(second), Some(first), Some(second), None, None]);
    }
}
