//! Running a tool call on behalf of an agent.

use serde_json::{Map, Value};

use super::{ToolOutcome, arguments, base::base_tool, conversation_search::Search, memory};
use crate::{
    Actor, PassageManager, Services, block,
    error::Error,
    orm::{Conn, Db, messages},
    passage::{self, ArchivalQuery},
    schema::{AgentId, ConversationId, CreateArchivalMemory, TagMatchMode, Timestamp, Tool, ToolType},
};

/// How often a memory edit is tried again when another writer was faster.
const RETRIES: usize = 4;

/// Who calls a tool, and from where.
#[derive(Debug, Clone, Copy)]
pub struct ToolContext<'a> {
    /// The agent.
    pub agent_id: AgentId,
    /// The conversation that the call is made in, if it is not the agent's default history.
    pub conversation_id: Option<ConversationId>,
    /// The timezone of the agent.
    pub timezone: &'a str,
}

/// Runs tool calls.
#[derive(Debug, Clone)]
pub struct ToolExecutor {
    db: Db,
    passages: PassageManager,
}

impl Services {
    /// What runs tool calls.
    pub fn tool_executor(&self) -> ToolExecutor {
        ToolExecutor::new(self.db().clone(), self.passages())
    }
}

/// Why a tool call failed.
struct Failure {
    /// The kind of error, as Python names it.
    kind: &'static str,
    /// What the agent is told.
    message: String,
}

impl Failure {
    fn value(message: impl Into<String>) -> Self {
        Self { kind: "ValueError", message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = match error {
            Error::Internal(error) => {
                tracing::error!(error, "a tool call failed on the server");
                "The server could not carry out the call, through no fault of yours. Try again later.".to_owned()
            }
            error => error.to_string(),
        };
        Self { kind: "RuntimeError", message }
    }
}

impl ToolExecutor {
    /// An executor of tools that work on this database and its archival memory.
    #[must_use]
    pub const fn new(db: Db, passages: PassageManager) -> Self {
        Self { db, passages }
    }

    /// Runs a call of `tool`. Whatever goes wrong is an outcome that says so: the agent is to read it.
    pub async fn execute(
        &self,
        actor: &Actor,
        context: &ToolContext<'_>,
        tool: &Tool,
        args: Map<String, Value>,
    ) -> ToolOutcome {
        let limit = usize::try_from(tool.return_char_limit).unwrap_or(usize::MAX);
        let outcome = match self.run(actor, context, tool, args).await {
            Ok(value) => ToolOutcome::success(value),
            Err(failure) => ToolOutcome::failure(&tool.name, failure.kind, failure.message),
        };
        outcome.truncated(limit)
    }

    async fn run(
        &self,
        actor: &Actor,
        context: &ToolContext<'_>,
        tool: &Tool,
        args: Map<String, Value>,
    ) -> Result<Value, Failure> {
        let args = check(tool, args)?;
        let built_in =
            matches!(tool.tool_type, ToolType::LettaCore | ToolType::LettaMemoryCore | ToolType::LettaSleeptimeCore);
        match tool.name.as_str() {
            "send_message" if built_in => Ok("Sent message successfully.".into()),
            "conversation_search" if built_in => self.search(actor, context, &args).await,
            "archival_memory_insert" if built_in => self.remember(actor, context, &args).await,
            "archival_memory_search" if built_in => self.search_archive(actor, context, &args).await,
            name if built_in && memory::is_memory_tool(name) => self.edit_memory(actor, context, name, &args).await,
            name => Err(Failure {
                kind: "NotImplementedError",
                message: format!("'{name}' was not run: this server does not run {} yet.", family(tool)),
            }),
        }
    }

    async fn search(
        &self,
        actor: &Actor,
        context: &ToolContext<'_>,
        args: &Map<String, Value>,
    ) -> Result<Value, Failure> {
        let search = Search::new(args, context.timezone).map_err(Failure::value)?;
        let (organization, agent) = (actor.organization_id, context.agent_id);
        let found = self.db.read(move |conn| {
            let found = match search.query(agent) {
                Some(query) => messages::search(conn, organization, &query)?,
                None => Vec::new(),
            };
            Ok::<_, Error>(search.result(&found, Timestamp::now()))
        });
        Ok(found.await?)
    }

    /// Stores a passage, and gives the agent its id.
    async fn remember(
        &self,
        actor: &Actor,
        context: &ToolContext<'_>,
        args: &Map<String, Value>,
    ) -> Result<Value, Failure> {
        let request = CreateArchivalMemory {
            text: text(args, "content").unwrap_or_default(),
            tags: args.contains_key("tags").then(|| texts(args, "tags")),
            created_at: None,
        };
        let mut tries = 0;
        loop {
            match self.passages.create_for_agent(actor, context.agent_id, request.clone()).await {
                Err(Error::Unavailable(_)) if tries < RETRIES => tries += 1,
                Err(error @ (Error::InvalidArgument(_) | Error::Unprocessable(_))) => {
                    return Err(Failure::value(error.to_string()));
                }
                passage => return Ok(passage?.id.to_string().into()),
            }
        }
    }

    async fn search_archive(
        &self,
        actor: &Actor,
        context: &ToolContext<'_>,
        args: &Map<String, Value>,
    ) -> Result<Value, Failure> {
        let mode = text(args, "tag_match_mode").and_then(|mode| mode.parse().ok());
        let query = ArchivalQuery {
            query: text(args, "query").unwrap_or_default(),
            tags: texts(args, "tags"),
            tag_match_mode: mode.unwrap_or(TagMatchMode::Any),
            top_k: args.get("top_k").and_then(Value::as_i64),
            start_datetime: text(args, "start_datetime"),
            end_datetime: text(args, "end_datetime"),
        };
        let (organization, agent) = (actor.organization_id, context.agent_id);
        let found = self.db.read(move |conn| passage::search_of_agent(conn, organization, agent, &query)).await?;
        let found = found.map_err(|invalid| Failure::value(invalid.to_string()))?;
        Ok(found.iter().map(passage::ArchivalFound::entry).collect())
    }

    async fn edit_memory(
        &self,
        actor: &Actor,
        context: &ToolContext<'_>,
        name: &str,
        args: &Map<String, Value>,
    ) -> Result<Value, Failure> {
        let (actor, agent, conversation) = (*actor, context.agent_id, context.conversation_id);
        let mut tries = 0;
        let returned = loop {
            let (name, args) = (name.to_owned(), args.clone());
            let edit = move |conn: &mut Conn| block::edit_memory(conn, &actor, agent, conversation, &name, &args);
            match self.db.write(edit).await {
                Err(Error::Unavailable(_)) if tries < RETRIES => tries += 1,
                returned => break returned?,
            }
        };
        match returned {
            Ok(text) => Ok(text.into()),
            Err(refused) => Err(Failure::value(refused.to_string())),
        }
    }
}

/// The text of an argument, if it was given.
fn text(args: &Map<String, Value>, name: &str) -> Option<String> {
    args.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The texts of an argument that is a list.
fn texts(args: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = args.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The arguments as the tool takes them. What the model was told of a built-in tool is what counts, whatever an
/// older version has stored.
fn check(tool: &Tool, args: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let schema = match base_tool(&tool.name) {
        Some(base) if base.tool_type == tool.tool_type => Some(base.json_schema()),
        _ => tool.json_schema.clone(),
    };
    let checked = arguments::check(&tool.name, &schema.unwrap_or_default().into(), args);
    checked.map_err(|message| Failure { kind: "TypeError", message })
}

/// The kind of tool that this is, as a sentence names it.
fn family(tool: &Tool) -> &'static str {
    match tool.tool_type {
        ToolType::LettaMultiAgentCore => "the tools by which agents speak to each other",
        ToolType::LettaVoiceSleeptimeCore => "the memory tools of voice agents",
        ToolType::LettaBuiltin => "the tools for code and the web",
        ToolType::LettaFilesCore => "the tools for files",
        ToolType::ExternalMcp => "the tools of MCP servers",
        ToolType::Custom | ToolType::ExternalLangchain | ToolType::ExternalComposio => "custom tools",
        _ => "tools of this kind",
    }
}
