//! Agents with memory, and what they are told.

use muisti_managers::{
    orm::{Error, agents, messages},
    schema::{AgentId, AgentState, BlockUpdate, StoredMessage},
};
use serde_json::{Value, json};

use crate::support::World;

impl World {
    /// An agent that knows a name; no model is asked anything about it.
    pub(crate) async fn agent(&self, more: Value) -> AgentState {
        let mut request = json!({
            "llm_config": {"model": "m", "model_endpoint_type": "openai", "context_window": 8000},
            "memory_blocks": [{"label": "human", "value": "Name: Ada"}],
        });
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        self.create(request).await
    }

    /// The agent's system message.
    pub(crate) async fn system_message(&self, agent: AgentId) -> StoredMessage {
        let organization = self.actor.organization_id;
        let read = move |conn: &mut _| {
            let id = agents::message_ids(conn, organization, agent)?[0];
            messages::get(conn, organization, id)
        };
        self.services.db().read::<_, Error, _>(read).await.unwrap().unwrap()
    }

    /// What the agent is told.
    pub(crate) async fn prompt(&self, agent: AgentId) -> String {
        self.system_message(agent).await.text()
    }
}

/// Changes to a block.
pub(crate) fn update(json: Value) -> BlockUpdate {
    serde_json::from_value(json).unwrap()
}

/// Runs the body once on each database; `$f` is the world.
macro_rules! on_both {
    ($(async fn $name:ident($f:ident) $body:block)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for $f in $crate::support::World::each().await {
                println!("on {}", $f.services.db().url());
                $body
            }
        }
    )*};
}
pub(crate) use on_both;
