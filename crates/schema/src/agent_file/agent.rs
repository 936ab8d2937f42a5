//! An agent in a file.

use serde::{Deserialize, Serialize, Serializer, ser::Error};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ExportedFileAgent, ExportedMessage};
use crate::{CreateAgent, de};

/// An agent in a file: the request that would make it, with what belongs to it named by the file's own ids, and its
/// messages.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, ToSchema)]
#[schema(as = letta__schemas__agent_file__AgentSchema)]
pub struct ExportedAgent {
    /// What every new agent has. The members that are declared here again are empty in it.
    #[serde(flatten)]
    pub agent: CreateAgent,
    /// Its id in the file.
    pub id: String,
    /// The name; null for a random one.
    #[serde(default)]
    pub name: Option<String>,
    /// Its tools.
    #[serde(default)]
    pub tool_ids: Option<Vec<String>>,
    /// Its folders; `folder_ids` wins.
    #[serde(default)]
    pub source_ids: Option<Vec<String>>,
    /// Its folders.
    #[serde(default)]
    pub folder_ids: Option<Vec<String>>,
    /// Its memory blocks.
    #[serde(default)]
    pub block_ids: Option<Vec<String>>,
    /// The messages that the model sees, oldest first.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub in_context_message_ids: Vec<String>,
    /// Its messages, oldest first.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub messages: Vec<ExportedMessage>,
    /// The files that it has.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub files_agents: Vec<ExportedFileAgent>,
    /// The groups that it manages or works in.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub group_ids: Vec<String>,
}

/// The members that are declared twice are written once, so this cannot be derived.
impl Serialize for ExportedAgent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn json<E: Error>(value: &impl Serialize) -> Result<Value, E> {
            serde_json::to_value(value).map_err(E::custom)
        }
        let mut agent = json(&self.agent)?;
        if let Value::Object(members) = &mut agent {
            members.extend([
                ("id".to_owned(), json(&self.id)?),
                ("name".to_owned(), json(&self.name)?),
                ("tool_ids".to_owned(), json(&self.tool_ids)?),
                ("source_ids".to_owned(), json(&self.source_ids)?),
                ("folder_ids".to_owned(), json(&self.folder_ids)?),
                ("block_ids".to_owned(), json(&self.block_ids)?),
                ("in_context_message_ids".to_owned(), json(&self.in_context_message_ids)?),
                ("messages".to_owned(), json(&self.messages)?),
                ("files_agents".to_owned(), json(&self.files_agents)?),
                ("group_ids".to_owned(), json(&self.group_ids)?),
            ]);
        }
        agent.serialize(serializer)
    }
}
