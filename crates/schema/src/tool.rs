//! Tools: what an agent can do besides talking.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{AgentState, Patch, ToolId, ToolSearchMode, ToolStatus, ToolType, UserId, de};

/// How many characters of a tool's return the model sees when nothing else is said.
pub const DEFAULT_RETURN_CHAR_LIMIT: i64 = 50_000;

/// The most characters of a tool's return that the model may see.
pub const MAX_RETURN_CHAR_LIMIT: i64 = 1_000_000;

const fn default_return_char_limit() -> i64 {
    DEFAULT_RETURN_CHAR_LIMIT
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tool {
    /// The id.
    pub id: ToolId,
    /// Where it comes from, which decides how it is executed.
    #[serde(default = "custom")]
    #[schema(default = "custom")]
    pub tool_type: ToolType,
    /// What it does, in a person's words. The model reads the one in `json_schema`.
    pub description: Option<String>,
    /// The language of the source: `python`, `typescript`, or `json` in old records.
    pub source_type: Option<String>,
    /// The name by which the model calls it; unique in the organization.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub name: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The source; null for tools that are built in.
    pub source_code: Option<String>,
    /// The function as the model is told of it: `name`, `description`, `parameters`.
    pub json_schema: Option<Map<String, Value>>,
    /// The JSON schema of the arguments alone.
    pub args_json_schema: Option<Map<String, Value>>,
    /// How many characters of its return the model sees.
    #[serde(default = "default_return_char_limit")]
    #[schema(default = 50000, minimum = 1, maximum = 1000000)]
    pub return_char_limit: i64,
    /// Python packages that it needs.
    pub pip_requirements: Option<Vec<PipRequirement>>,
    /// Packages of npm that it needs.
    pub npm_requirements: Option<Vec<NpmRequirement>>,
    /// Whether agents that get it also get the rule that a person approves its calls.
    pub default_requires_approval: Option<bool>,
    /// Whether it may run at the same time as other tools.
    #[serde(default)]
    #[schema(default = false)]
    pub enable_parallel_execution: Option<bool>,
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// Data of the server and the client.
    pub metadata_: Option<Map<String, Value>>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
}

const fn custom() -> ToolType {
    ToolType::Custom
}

/// A Python package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipRequirement {
    /// The name on PyPI.
    #[serde(deserialize_with = "not_empty")]
    #[schema(min_length = 1)]
    pub name: String,
    /// The exact version; null for any.
    pub version: Option<String>,
}

/// A package of npm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NpmRequirement {
    /// The name on npm.
    #[serde(deserialize_with = "not_empty")]
    #[schema(min_length = 1)]
    pub name: String,
    /// The exact version; null for any.
    pub version: Option<String>,
}

/// A tool to be made, or to replace the one of the same name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCreate {
    /// What it does; null takes the description of the schema.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// The source.
    pub source_code: String,
    /// The language of the source: `python` or `typescript`.
    #[schema(value_type = String, required = false, default = "python")]
    pub source_type: Option<String>,
    /// The function as the model is told of it; null derives it from the source.
    pub json_schema: Option<Map<String, Value>>,
    /// The JSON schema of the arguments alone.
    pub args_json_schema: Option<Map<String, Value>>,
    /// How many characters of its return the model sees.
    #[serde(default, deserialize_with = "return_char_limit")]
    #[schema(value_type = i64, required = false, default = 50000, minimum = 1, maximum = 1000000)]
    pub return_char_limit: Option<i64>,
    /// Python packages that it needs.
    pub pip_requirements: Option<Vec<PipRequirement>>,
    /// Packages of npm that it needs.
    pub npm_requirements: Option<Vec<NpmRequirement>>,
    /// Whether agents that get it also get the rule that a person approves its calls.
    pub default_requires_approval: Option<bool>,
    /// Whether it may run at the same time as other tools.
    pub enable_parallel_execution: Option<bool>,
}

update! {
    /// Changes to a tool. Null is the same as absent.
    ToolUpdate {
        /// What it does.
        description: String,
        /// Words to find it by.
        tags: Vec<String>,
        /// The source.
        source_code: String,
        /// The language of the source.
        source_type: String,
        /// The function as the model is told of it.
        json_schema: Map<String, Value>,
        /// The JSON schema of the arguments alone.
        args_json_schema: Map<String, Value>,
        /// How many characters of its return the model sees.
        return_char_limit: i64 [deserialize_with = "return_char_limit_patch"],
        /// Python packages that it needs.
        pip_requirements: Vec<PipRequirement>,
        /// Packages of npm that it needs.
        npm_requirements: Vec<NpmRequirement>,
        /// Data of the client's own; replaced as a whole.
        metadata_: Map<String, Value>,
        /// Whether agents that get it also get the rule that a person approves its calls.
        default_requires_approval: bool,
        /// Whether it may run at the same time as other tools.
        enable_parallel_execution: bool,
    }
}

/// Source to be run once, without making a tool of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolRunFromSource {
    /// The source.
    pub source_code: String,
    /// The arguments.
    pub args: Map<String, Value>,
    /// Environment variables of the run.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub env_vars: BTreeMap<String, String>,
    /// The function to call; null for the only or last one.
    pub name: Option<String>,
    /// The language of the source.
    pub source_type: Option<String>,
    /// The JSON schema of the arguments alone.
    pub args_json_schema: Option<Map<String, Value>>,
    /// The function as the model would be told of it.
    pub json_schema: Option<Map<String, Value>>,
    /// Python packages that it needs.
    pub pip_requirements: Option<Vec<PipRequirement>>,
    /// Packages of npm that it needs.
    pub npm_requirements: Option<Vec<NpmRequirement>>,
}

/// A tool to be run on an agent's behalf.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct ToolExecuteRequest {
    /// The arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
}

/// How the run of a tool ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolExecutionResult {
    /// Whether it ended well.
    pub status: ToolStatus,
    /// What the function returned.
    pub func_return: Option<Value>,
    /// The agent afterwards. Always null.
    #[schema(deprecated, no_recursion)]
    pub agent_state: Option<Box<AgentState>>,
    /// What was written to standard output, one entry a write.
    pub stdout: Option<Vec<String>>,
    /// What was written to standard error, one entry a write.
    pub stderr: Option<Vec<String>>,
    /// Which configuration of the sandbox was used.
    pub sandbox_config_fingerprint: Option<String>,
}

/// What tools are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolSearchRequest {
    /// The words; null lists all.
    pub query: Option<String>,
    /// How results are ranked.
    #[serde(default = "hybrid")]
    #[schema(default = "hybrid")]
    pub search_mode: ToolSearchMode,
    /// Only tools of these types.
    pub tool_types: Option<Vec<String>>,
    /// Only tools with one of these tags.
    pub tags: Option<Vec<String>>,
    /// How many results, from 1 to 100.
    #[serde(default = "fifty", deserialize_with = "de::up_to_100")]
    #[schema(default = 50, minimum = 1, maximum = 100)]
    pub limit: i64,
}

const fn hybrid() -> ToolSearchMode {
    ToolSearchMode::Hybrid
}

const fn fifty() -> i64 {
    50
}

/// A tool that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolSearchResult {
    /// The tool.
    pub tool: Tool,
    /// The text that was compared.
    pub embedded_text: Option<String>,
    /// Its place by words, from 1.
    pub fts_rank: Option<i64>,
    /// Its place by meaning, from 1.
    pub vector_rank: Option<i64>,
    /// The score that decided its place.
    pub combined_score: f64,
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Err(D::Error::custom("the name of a package must have at least 1 character"));
    }
    Ok(text)
}

fn return_char_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let limit = Option::deserialize(deserializer)?;
    limit.map(|limit| de::within(limit, "return_char_limit", MAX_RETURN_CHAR_LIMIT)).transpose()
}

fn return_char_limit_patch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patch<i64>, D::Error> {
    Ok(return_char_limit(deserializer)?.map_or(Patch::Null, Patch::Value))
}
