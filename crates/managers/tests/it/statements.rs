//! How many statements lists cost.

use muisti_managers::{
    agent::Include,
    orm::{
        Order, Page,
        agents::{AgentFilter, AgentSort},
    },
};
use serde_json::json;

use crate::support::World;

/// A list costs one statement for its page and one for each relationship, some of which need a second one.
const MOST: u64 = 20;

#[tokio::test]
async fn a_list_costs_the_same_statements_for_two_agents_and_for_fifty() {
    for world in World::each().await {
        for number in 0..50 {
            let blocks = [json!({ "label": "human", "value": "x" }), json!({ "label": "persona", "value": "y" })];
            let fields =
                json!({ "memory_blocks": blocks, "tags": [format!("t{number}"), "all"], "secrets": { "K": "v" } });
            world.create(fields).await;
        }
        let include = Include { pending_approval: true, ..Include::ALL };
        let mut costs = Vec::new();
        for limit in [2, 50] {
            let before = world.services.db().statements();
            let page = Page::first(limit, Order::Desc);
            let agents = world.services.agents();
            let agents = agents.list(&world.actor, AgentFilter::default(), AgentSort::CreatedAt, page, include).await;
            let agents = agents.unwrap();
            costs.push(world.services.db().statements() - before);
            assert_eq!(agents.len(), usize::try_from(limit).unwrap());
            assert!(
                agents.iter().all(|agent| agent.blocks.len() == 2 && agent.tags.len() == 2 && !agent.tools.is_empty())
            );
        }
        assert_eq!(costs[0], costs[1]);
        assert!((2..=MOST).contains(&costs[1]), "{costs:?}");
    }
}
