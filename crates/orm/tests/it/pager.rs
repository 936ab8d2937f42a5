//! Clients that page through agents while others make new ones.

use std::collections::BTreeSet;

use muisti_orm::{
    Actor, Error, Order, Page,
    agents::{self, AgentFilter, AgentRow, AgentSort},
    schema::Timestamp,
};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::support::{Fixture, agent, new_actor};

/// An agent by the seconds of its times; the few there are tie often.
type Seconds = (u8, u8, Option<u8>);

fn seconds() -> impl Strategy<Value = Seconds> {
    (0..4_u8, 0..4_u8, proptest::option::of(0..4_u8))
}

fn row(actor: &Actor, (created, updated, ran): Seconds) -> AgentRow {
    let time = |second: u8| Timestamp::parse(&format!("2026-01-01T00:00:0{second}Z")).unwrap();
    AgentRow {
        created_at: time(created),
        updated_at: time(updated),
        last_run_completion: ran.map(time),
        ..agent(actor, "agent")
    }
}

/// Asks for pages after the last row of the one before until an empty one comes, as the SDKs do. Before each page some
/// agents are added, as long as there are any.
async fn read_all(
    f: &Fixture,
    actor: Actor,
    sort: AgentSort,
    limit: i64,
    order: Order,
    mut added: Vec<Vec<Seconds>>,
) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = Page { after: seen.last().cloned(), ..Page::first(limit, order) };
        let new = added.pop().unwrap_or_default();
        let work = move |conn: &mut _, _: &Actor| -> Result<Vec<AgentRow>, Error> {
            new.iter().try_for_each(|agent| agents::insert(conn, &row(&actor, *agent)))?;
            agents::list(conn, actor.organization_id, &AgentFilter::default(), sort, &page)
        };
        let rows = f.with(work).await;
        if rows.is_empty() {
            return seen;
        }
        seen.extend(rows.into_iter().map(|row| row.id.to_string()));
    }
}

#[test]
fn a_pager_sees_every_agent_once_while_others_are_added() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fixtures = runtime.block_on(Fixture::each());
    let sorts = prop_oneof![Just(AgentSort::CreatedAt), Just(AgentSort::UpdatedAt), Just(AgentSort::LastRunCompletion)];
    let orders = prop_oneof![Just(Order::Asc), Just(Order::Desc)];
    let case = (vec(seconds(), 0..12), vec(vec(seconds(), 0..4), 0..8), sorts, orders, 1..5_i64);
    for f in &fixtures {
        println!("on {}", f.db.url());
        let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
        let outcome = runner.run(&case, |(first, added, sort, order, limit)| {
            let (first, seen) = runtime.block_on(async {
                let actor = new_actor(&f.db).await;
                let rows: Vec<_> = first.into_iter().map(|agent| row(&actor, agent)).collect();
                let ids: BTreeSet<_> = rows.iter().map(|row| row.id.to_string()).collect();
                f.with(move |conn, _| rows.iter().try_for_each(|row| agents::insert(conn, row))).await;
                (ids, read_all(f, actor, sort, limit, order, added).await)
            });
            let distinct: BTreeSet<_> = seen.iter().cloned().collect();
            prop_assert_eq!(distinct.len(), seen.len(), "an agent was seen twice: {:?}", seen);
            prop_assert!(distinct.is_superset(&first), "agents were missed: {:?} of {:?}", seen, first);
            Ok(())
        });
        outcome.unwrap();
    }
}
