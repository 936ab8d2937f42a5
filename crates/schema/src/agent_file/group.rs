//! A group in a file.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{RoundRobinManager, de, tagged::tagged_struct};

/// A group in a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = GroupSchema)]
pub struct ExportedGroup {
    /// The agents, without the managing one.
    pub agent_ids: Vec<String>,
    /// What the group is for.
    pub description: String,
    /// How the agents take turns.
    #[serde(default)]
    pub manager_config: ExportedManagerConfig,
    /// The project that it belonged to.
    pub project_id: Option<String>,
    /// Blocks that all its agents share.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub shared_block_ids: Vec<String>,
    /// Whether lists leave the group out.
    pub hidden: Option<bool>,
    /// Its id in the file.
    pub id: String,
}

tagged_union! {
    /// How the agents of a group in a file take turns.
    enum ExportedManagerConfig ("ExportedManagerConfig", by "manager_type") {
        /// One after the other.
        RoundRobin(RoundRobinManager) = "round_robin",
        /// One agent asks the others.
        Supervisor(ExportedSupervisorManager) = "supervisor",
        /// One agent chooses who is next.
        Dynamic(ExportedDynamicManager) = "dynamic",
        /// Background agents tend the memory of one agent.
        Sleeptime(ExportedSleeptimeManager) = "sleeptime",
        /// The same for a voice agent.
        VoiceSleeptime(ExportedVoiceSleeptimeManager) = "voice_sleeptime",
    }
}

impl Default for ExportedManagerConfig {
    fn default() -> Self {
        RoundRobinManager { max_turns: None }.into()
    }
}

impl ExportedManagerConfig {
    /// The id of the managing agent in the file, where there is one.
    pub fn manager_agent_id(&self) -> Option<&str> {
        match self {
            Self::RoundRobin(_) => None,
            Self::Supervisor(manager) => Some(&manager.manager_agent_id),
            Self::Dynamic(manager) => Some(&manager.manager_agent_id),
            Self::Sleeptime(manager) => Some(&manager.manager_agent_id),
            Self::VoiceSleeptime(manager) => Some(&manager.manager_agent_id),
        }
    }
}

tagged_struct! {
    "manager_type" = "supervisor", as "SupervisorManagerSchema";
    /// One agent asks the others.
    pub struct ExportedSupervisorManager {
        /// That agent.
        pub manager_agent_id: String,
    }
}

tagged_struct! {
    "manager_type" = "dynamic", as "DynamicManagerSchema";
    /// One agent chooses who is next.
    pub struct ExportedDynamicManager {
        /// That agent.
        pub manager_agent_id: String,
        /// The word that ends the conversation.
        #[serde(default = "done")]
        pub termination_token: Option<String> [default = "DONE!"],
        /// How many turns a conversation may have.
        pub max_turns: Option<i64>,
    }
}

fn done() -> Option<String> {
    Some("DONE!".to_owned())
}

tagged_struct! {
    "manager_type" = "sleeptime", as "SleeptimeManagerSchema";
    /// Background agents tend the memory of one agent.
    pub struct ExportedSleeptimeManager {
        /// That agent.
        pub manager_agent_id: String,
        /// After how many turns they run.
        pub sleeptime_agent_frequency: Option<i64>,
    }
}

tagged_struct! {
    "manager_type" = "voice_sleeptime", as "VoiceSleeptimeManagerSchema";
    /// Background agents tend the memory of a voice agent.
    pub struct ExportedVoiceSleeptimeManager {
        /// That agent.
        pub manager_agent_id: String,
        /// The most messages in the context.
        pub max_message_buffer_length: Option<i64>,
        /// The messages that stay in the context.
        pub min_message_buffer_length: Option<i64>,
    }
}
