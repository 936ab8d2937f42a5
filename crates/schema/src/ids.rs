//! Identifiers: `<prefix>-<uuid4>`, one newtype per resource.
//!
//! An id is parsed once, where it enters the program, and is then known to have the right form. On the wire
//! and in the database it is its text.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema, openapi};
use uuid::{Uuid, Variant};

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid {kind} ID format: {value}. Expected format: '{prefix}-<uuid4>'")]
pub struct InvalidId {
    /// The resource, in the field's words: `agent`, `run`, …
    pub kind: &'static str,
    /// The prefix that an id of this kind begins with.
    pub prefix: &'static str,
    /// What was given instead.
    pub value: String,
}

/// What all id types have in common, for code that is generic over them.
pub trait Id: Copy + Eq + std::hash::Hash + fmt::Display + FromStr<Err = InvalidId> {
    /// The resource, in the field's words.
    const KIND: &'static str;
    /// The text before the uuid, without the dash.
    const PREFIX: &'static str;

    /// An id of this kind that shows the form, for error messages.
    fn example() -> String {
        format!("{}-123e4567-e89b-42d3-8456-426614174000", Self::PREFIX)
    }

    /// The regular expression that an id of this kind matches.
    fn pattern() -> String {
        format!("^{}-[0-9a-f]{{8}}-[0-9a-f]{{4}}-4[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}$", Self::PREFIX)
    }
}

/// The uuid in `text`, if it is a lower-case, hyphenated version 4 uuid of the RFC variant.
fn parse_uuid(text: &str) -> Option<Uuid> {
    let strict = text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase());
    let uuid = Uuid::try_parse(text).ok().filter(|_| strict)?;
    (uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122).then_some(uuid)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// The id with this uuid.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The uuid behind the prefix.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Id for $name {
            const KIND: &'static str = $kind;
            const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0.as_hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "-")).and_then(parse_uuid).map(Self).ok_or_else(|| InvalidId {
                    kind: $kind,
                    prefix: $prefix,
                    value: text.to_owned(),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> openapi::RefOr<openapi::Schema> {
                openapi::ObjectBuilder::new()
                    .schema_type(openapi::schema::Type::String)
                    .pattern(Some(Self::pattern()))
                    .examples([Self::example()])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

ids! {
    /// An agent.
    AgentId = "agent", "agent";
    /// An archive: a store of passages.
    ArchiveId = "archive", "archive";
    /// A memory block.
    BlockId = "block", "block";
    /// A conversation of an agent beside its default history.
    ConversationId = "conv", "conversation";
    /// An environment variable (secret) of an agent.
    AgentEnvId = "agent-env", "agent secret";
    /// A file in a folder.
    FileId = "file", "file";
    /// A file as one agent sees it.
    FileAgentId = "file_agent", "file of an agent";
    /// A group of agents.
    GroupId = "group", "group";
    /// An identity: a person or organization that agents work for.
    IdentityId = "identity", "identity";
    /// A background job.
    JobId = "job", "job";
    /// A server of the Model Context Protocol.
    McpServerId = "mcp_server", "MCP server";
    /// A stored message.
    MessageId = "message", "message";
    /// An organization: the tenant.
    OrganizationId = "org", "organization";
    /// A passage in an archive or a file.
    PassageId = "passage", "passage";
    /// A model provider.
    ProviderId = "provider", "provider";
    /// The recorded request and answer of one model call.
    ProviderTraceId = "provider_trace", "provider trace";
    /// A run: all that one request made the agent do.
    RunId = "run", "run";
    /// A folder of files, formerly a source.
    SourceId = "source", "folder";
    /// A step of a run: one model call and its tools.
    StepId = "step", "step";
    /// A tool.
    ToolId = "tool", "tool";
    /// A user of an organization.
    UserId = "user", "user";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_json() {
        let id = AgentId::random();
        assert_eq!(id.to_string().parse::<AgentId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<AgentId>(&json).unwrap(), id);
    }

    #[test]
    fn only_lower_case_version_4_uuids_with_the_right_prefix_are_ids() {
        let good = "agent-123e4567-e89b-42d3-a456-426614174000";
        assert!(good.parse::<AgentId>().is_ok());
        for bad in [
            "",
            "agent-",
            "123e4567-e89b-42d3-a456-426614174000",
            "block-123e4567-e89b-42d3-a456-426614174000",
            "agent-123e4567-e89b-12d3-a456-426614174000",
            "agent-123E4567-e89b-42d3-a456-426614174000",
            "agent-123e4567-e89b-42d3-c456-426614174000",
            "agent-123e4567e89b42d3a456426614174000",
            "agent-123e4567-e89b-42d3-a456-4266141740000",
            "agent-{123e4567-e89b-42d3-a456-426614174000}",
            "agent-urn:uuid:123e4567-e89b-42d3-a456-426614174000",
            "agent-é23e4567-e89b-42d3-a456-42661417400",
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad}");
        }
    }
}
