//! Groups: agents that work together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentId, BlockId, GroupId, ManagerType, MessageId, Patch, tagged::tagged_struct};

/// Agents that work together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The id.
    pub id: GroupId,
    /// How the agents take turns.
    pub manager_type: ManagerType,
    /// The agents, without the managing one.
    pub agent_ids: Vec<AgentId>,
    /// What the group is for.
    pub description: String,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The template that it was made from.
    pub template_id: Option<String>,
    /// The template that this template was made from.
    pub base_template_id: Option<String>,
    /// The deployment that made it.
    pub deployment_id: Option<String>,
    /// Blocks that all its agents share.
    #[serde(default)]
    #[schema(deprecated)]
    pub shared_block_ids: Vec<BlockId>,
    /// The agent that manages it.
    pub manager_agent_id: Option<AgentId>,
    /// `dynamic`: the word that ends the conversation.
    pub termination_token: Option<String>,
    /// How many turns a conversation may have.
    pub max_turns: Option<i64>,
    /// `sleeptime`: after how many turns the background agents run.
    pub sleeptime_agent_frequency: Option<i64>,
    /// `sleeptime`: the turns since.
    pub turns_counter: Option<i64>,
    /// `sleeptime`: the last message that the background agents have seen.
    pub last_processed_message_id: Option<MessageId>,
    /// `voice_sleeptime`: the most messages in the context.
    pub max_message_buffer_length: Option<i64>,
    /// `voice_sleeptime`: the messages that stay in the context.
    pub min_message_buffer_length: Option<i64>,
    /// Whether lists leave the group out.
    pub hidden: Option<bool>,
}

/// A group to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupCreate {
    /// The agents, without the managing one.
    pub agent_ids: Vec<AgentId>,
    /// What the group is for.
    pub description: String,
    /// How the agents take turns.
    #[serde(default)]
    pub manager_config: ManagerConfig,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// Blocks that all its agents share.
    #[serde(default)]
    #[schema(deprecated)]
    pub shared_block_ids: Vec<BlockId>,
    /// Whether lists leave the group out.
    pub hidden: Option<bool>,
}

/// A group that a template makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InternalTemplateGroupCreate {
    /// What every new group has.
    #[serde(flatten)]
    pub group: GroupCreate,
    /// The template that this template was made from.
    pub base_template_id: String,
    /// The template that it is made from.
    pub template_id: String,
    /// The deployment that makes it.
    pub deployment_id: String,
}

update! {
    /// Changes to a group.
    GroupUpdate {
        /// The agents, without the managing one; replaced as a whole.
        agent_ids: Vec<AgentId>,
        /// What the group is for.
        description: String,
        /// How the agents take turns.
        manager_config: ManagerConfigUpdate,
        /// The project that it belongs to.
        project_id: String,
        /// Blocks that all its agents share; replaced as a whole.
        shared_block_ids: Vec<BlockId>,
    }
}

tagged_union! {
    /// How the agents of a group take turns.
    enum ManagerConfig ("ManagerConfig", by "manager_type") {
        /// One after the other.
        RoundRobin(RoundRobinManager) = "round_robin",
        /// One agent asks the others.
        Supervisor(SupervisorManager) = "supervisor",
        /// One agent chooses who is next.
        Dynamic(DynamicManager) = "dynamic",
        /// Background agents tend the memory of one agent.
        Sleeptime(SleeptimeManager) = "sleeptime",
        /// The same for a voice agent.
        VoiceSleeptime(VoiceSleeptimeManager) = "voice_sleeptime",
    }
}

impl Default for ManagerConfig {
    fn default() -> Self {
        RoundRobinManager { max_turns: None }.into()
    }
}

tagged_struct! {
    "manager_type" = "round_robin", as "RoundRobinManager";
    /// The agents speak one after the other.
    pub struct RoundRobinManager {
        /// How many turns a conversation may have.
        pub max_turns: Option<i64>,
    }
}

tagged_struct! {
    "manager_type" = "supervisor", as "SupervisorManager";
    /// One agent asks the others.
    pub struct SupervisorManager {
        /// That agent.
        pub manager_agent_id: AgentId,
    }
}

tagged_struct! {
    "manager_type" = "dynamic", as "DynamicManager";
    /// One agent chooses who is next.
    pub struct DynamicManager {
        /// That agent.
        pub manager_agent_id: AgentId,
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
    "manager_type" = "sleeptime", as "SleeptimeManager";
    /// Background agents tend the memory of one agent.
    pub struct SleeptimeManager {
        /// That agent.
        pub manager_agent_id: AgentId,
        /// After how many turns they run.
        pub sleeptime_agent_frequency: Option<i64>,
    }
}

tagged_struct! {
    "manager_type" = "voice_sleeptime", as "VoiceSleeptimeManager";
    /// Background agents tend the memory of a voice agent.
    pub struct VoiceSleeptimeManager {
        /// That agent.
        pub manager_agent_id: AgentId,
        /// The most messages in the context.
        pub max_message_buffer_length: Option<i64>,
        /// The messages that stay in the context.
        pub min_message_buffer_length: Option<i64>,
    }
}

tagged_union! {
    /// Changes to how the agents of a group take turns.
    enum ManagerConfigUpdate ("ManagerConfigUpdate", by "manager_type") {
        /// One after the other.
        RoundRobin(RoundRobinManagerUpdate) = "round_robin",
        /// One agent asks the others.
        Supervisor(SupervisorManagerUpdate) = "supervisor",
        /// One agent chooses who is next.
        Dynamic(DynamicManagerUpdate) = "dynamic",
        /// Background agents tend the memory of one agent.
        Sleeptime(SleeptimeManagerUpdate) = "sleeptime",
        /// The same for a voice agent.
        VoiceSleeptime(VoiceSleeptimeManagerUpdate) = "voice_sleeptime",
    }
}

tagged_struct! {
    "manager_type" = "round_robin", as "RoundRobinManagerUpdate";
    /// Changes to a group whose agents speak one after the other.
    pub struct RoundRobinManagerUpdate {
        /// How many turns a conversation may have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub max_turns: Patch<i64> [value_type = Option<i64>],
    }
}

tagged_struct! {
    "manager_type" = "supervisor", as "SupervisorManagerUpdate";
    /// Changes to a group where one agent asks the others.
    pub struct SupervisorManagerUpdate {
        /// That agent.
        pub manager_agent_id: Patch<AgentId> [value_type = Option<AgentId>, required],
    }
}

tagged_struct! {
    "manager_type" = "dynamic", as "DynamicManagerUpdate";
    /// Changes to a group where one agent chooses who is next.
    pub struct DynamicManagerUpdate {
        /// That agent.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub manager_agent_id: Patch<AgentId> [value_type = Option<AgentId>],
        /// The word that ends the conversation.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub termination_token: Patch<String> [value_type = Option<String>],
        /// How many turns a conversation may have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub max_turns: Patch<i64> [value_type = Option<i64>],
    }
}

tagged_struct! {
    "manager_type" = "sleeptime", as "SleeptimeManagerUpdate";
    /// Changes to a group whose background agents tend the memory of one agent.
    pub struct SleeptimeManagerUpdate {
        /// That agent.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub manager_agent_id: Patch<AgentId> [value_type = Option<AgentId>],
        /// After how many turns they run.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub sleeptime_agent_frequency: Patch<i64> [value_type = Option<i64>],
    }
}

tagged_struct! {
    "manager_type" = "voice_sleeptime", as "VoiceSleeptimeManagerUpdate";
    /// Changes to a group whose background agents tend the memory of a voice agent.
    pub struct VoiceSleeptimeManagerUpdate {
        /// That agent.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub manager_agent_id: Patch<AgentId> [value_type = Option<AgentId>],
        /// The most messages in the context.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub max_message_buffer_length: Patch<i64> [value_type = Option<i64>],
        /// The messages that stay in the context.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        pub min_message_buffer_length: Patch<i64> [value_type = Option<i64>],
    }
}
