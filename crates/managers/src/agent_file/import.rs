//! Making agents of an agent file.

use std::collections::{BTreeMap, HashMap};

use super::{AgentFileManager, ImportOptions, check};
use crate::{
    Actor,
    agent::{self, Plan, defaults::FileLimits},
    block,
    error::{Error, Result},
    group,
    model::config,
    orm::{self, Conn, file_agents::FileAgentRow},
    schema::{
        AgentFile, AgentId, AgentType, BlockId, CreateAgent, DynamicManager, EmbeddingConfig, ExportedAgent,
        ExportedFile, ExportedGroup, ExportedManagerConfig, ExportedMessage, ExportedSource, FileAgentId, FileId,
        FileMetadata, GroupCreate, LlmConfig, ManagerConfig, MessageContent, MessageId, SleeptimeManager, SourceId,
        StoredMessage, SupervisorManager, Timestamp, ToolId, VoiceSleeptimeManager,
    },
    secret::Cipher,
    source, tool,
};

impl AgentFileManager<'_> {
    /// Makes the agents of a file, with new ids for everything, in one transaction. Gives their ids in the order of
    /// the file.
    ///
    /// # Errors
    /// 400 for a file whose parts do not fit together or cannot be stored, 404 and 400 for models that do not exist,
    /// 422 for names that break their rules. Nothing is written then.
    pub async fn import(&self, actor: &Actor, file: AgentFile, options: ImportOptions) -> Result<Vec<AgentId>> {
        check::references(&file)?;
        for server in &file.mcp_servers {
            // Its tools come along and say when they are called that they cannot be run yet.
            tracing::warn!(server = server.server_name, "an agent file names an MCP server, which is not made here");
        }
        let models = self.0.models();
        let settings = self.0.settings();
        let model = match &options.model {
            Some(handle) => Some(models.resolve(actor, handle).await?),
            None => None,
        };
        let embedding = match &options.embedding {
            Some(handle) => Some(models.resolve_embedding(actor, handle, None).await?),
            None => None,
        };
        let mut agents = Vec::with_capacity(file.agents.len());
        for exported in &file.agents {
            let request = request(exported, &file, &options);
            agent::check::create(&request)?;
            let llm_config = match (&model, &request.llm_config) {
                (Some(model), _) => {
                    let wanted = CreateAgent { agent_type: request.agent_type, ..CreateAgent::default() };
                    config::create(&wanted, Some(model), settings.max_context_window)?
                }
                (None, Some(sent)) => sent.clone(),
                (None, None) => {
                    return Err(Error::BadRequest(
                        "Import failed: llm_config is required for every agent of the file, unless 'model' is sent."
                            .to_owned(),
                    ));
                }
            };
            let embedding_config = embedding.clone().or_else(|| request.embedding_config.clone());
            agents.push(Wanted { request, llm_config, embedding_config });
        }
        let import = Import {
            actor: *actor,
            cipher: self.0.cipher().clone(),
            production: settings.is_production(),
            options,
            embedding,
            file,
        };
        self.0.db().write(move |conn| import.carry_out(conn, agents)).await.map_err(failed)
    }
}

/// What cannot be carried out is said to be the import's.
fn failed(error: Error) -> Error {
    match error {
        Error::BadRequest(text) | Error::NotFound(text) | Error::InvalidArgument(text) | Error::Conflict(text) => {
            Error::BadRequest(format!("Import failed: {text}"))
        }
        Error::Unique(_) => Error::BadRequest(format!("Import failed: {error}")),
        error => error,
    }
}

/// An agent that is to be made, but for what it is made of.
struct Wanted {
    request: CreateAgent,
    llm_config: LlmConfig,
    embedding_config: Option<EmbeddingConfig>,
}

/// The request for an agent, without what has ids in the file.
fn request(exported: &ExportedAgent, file: &AgentFile, options: &ImportOptions) -> CreateAgent {
    let mut request = exported.agent.clone();
    let suffix = if options.append_copy_suffix { "_copy" } else { "" };
    let in_file = exported.name.as_ref().map(|name| format!("{name}{suffix}"));
    request.name = options.name.clone().or(in_file);
    request.initial_message_sequence = Some(Vec::new());
    request.project_id = options.project_id.clone().or(request.project_id);
    request.secrets = Some(secrets(&request, &options.secrets));
    request.tool_exec_environment_variables = None;
    // Its companion, if it had one, is in the file.
    let has_companion = file.groups.iter().any(|group| {
        let kind = &group.manager_config;
        let tended = matches!(kind, ExportedManagerConfig::Sleeptime(_) | ExportedManagerConfig::VoiceSleeptime(_));
        tended && kind.manager_agent_id() == Some(&exported.id)
    });
    if has_companion || request.agent_type == AgentType::VoiceConvoAgent {
        request.enable_sleeptime = Some(true);
    }
    request
}

/// The secrets that are named in the file, with the values that were sent.
fn secrets(request: &CreateAgent, sent: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let named = [&request.tool_exec_environment_variables, &request.secrets];
    let named = named.into_iter().flatten().flatten();
    named.map(|(key, value)| (key.clone(), sent.get(key).unwrap_or(value).clone())).collect()
}

/// The ids in the database by the ids in the file.
#[derive(Default)]
struct Ids {
    agents: HashMap<String, AgentId>,
    blocks: HashMap<String, BlockId>,
    tools: HashMap<String, ToolId>,
    sources: HashMap<String, SourceId>,
    files: HashMap<String, FileId>,
}

/// The id that stands for the one in the file. The check has seen that there is one.
fn new_id<I: Copy>(ids: &HashMap<String, I>, id: &str) -> Result<I> {
    ids.get(id).copied().ok_or_else(|| Error::BadRequest(format!("{id} is referred to, but not in the file")))
}

fn new_ids<'a, I: Copy>(ids: &HashMap<String, I>, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<I>> {
    names.into_iter().map(|id| new_id(ids, id)).collect()
}

fn texts(ids: Option<&Vec<String>>) -> impl Iterator<Item = &str> {
    ids.into_iter().flatten().map(String::as_str)
}

/// An import whose models are known.
struct Import {
    actor: Actor,
    cipher: Cipher,
    production: bool,
    options: ImportOptions,
    embedding: Option<EmbeddingConfig>,
    file: AgentFile,
}

impl Import {
    fn carry_out(&self, conn: &mut Conn, agents: Vec<Wanted>) -> Result<Vec<AgentId>> {
        let mut ids = Ids::default();
        for exported in &self.file.tools {
            let id = tool::import(conn, &self.actor, exported, self.options.override_existing_tools)?;
            ids.tools.insert(exported.id.clone(), id);
        }
        for exported in &self.file.blocks {
            let block = block::create(conn, &self.actor, exported.block.clone())?;
            ids.blocks.insert(exported.id.clone(), block.id);
        }
        for exported in &self.file.sources {
            ids.sources.insert(exported.id.clone(), self.folder(conn, exported)?);
        }
        for exported in &self.file.files {
            ids.files.insert(exported.id.clone(), self.file(conn, exported, &ids)?);
        }
        let mut made = Vec::with_capacity(agents.len());
        for (exported, wanted) in self.file.agents.iter().zip(agents) {
            let id = self.agent(conn, exported, wanted, &ids)?;
            ids.agents.insert(exported.id.clone(), id);
            made.push(id);
        }
        for exported in &self.file.groups {
            group::create(conn, &self.actor, group_request(exported, &ids, self.options.project_id.as_ref())?)?;
        }
        Ok(made)
    }

    fn folder(&self, conn: &mut Conn, exported: &ExportedSource) -> Result<SourceId> {
        let config = self.embedding.clone().or_else(|| exported.embedding_config.clone()).ok_or_else(|| {
            Error::BadRequest(format!(
                "{} has no embedding_config. Add one, or name a model as 'embedding'.",
                exported.id
            ))
        })?;
        let mut name = exported.name.clone();
        if orm::sources::by_name(conn, self.actor.organization_id, &name)?.is_some() {
            let mut suffix = uuid::Uuid::new_v4().simple().to_string();
            suffix.truncate(8);
            name = format!("{name}_{suffix}");
        }
        agent::check::key("name", &name)?;
        let mut folder = source::named(name, config);
        folder.description.clone_from(&exported.description);
        folder.instructions.clone_from(&exported.instructions);
        folder.metadata.clone_from(&exported.metadata);
        Ok(source::insert(conn, &self.actor, &folder)?.id)
    }

    fn file(&self, conn: &mut Conn, exported: &ExportedFile, ids: &Ids) -> Result<FileId> {
        let file = FileMetadata {
            source_id: new_id(&ids.sources, &exported.source_id)?,
            file_name: exported.file_name.clone(),
            original_file_name: exported.original_file_name.clone(),
            file_path: exported.file_path.clone(),
            file_type: exported.file_type.clone(),
            file_size: exported.file_size,
            file_creation_date: exported.file_creation_date.clone(),
            file_last_modified_date: exported.file_last_modified_date.clone(),
            processing_status: exported.processing_status,
            error_message: exported.error_message.clone(),
            // The file has the text, not its pieces.
            total_chunks: None,
            chunks_embedded: None,
            content: exported.content.clone(),
            id: FileId::random(),
            created_at: None,
            updated_at: None,
        };
        orm::files::insert(conn, &self.actor, &file)?;
        Ok(file.id)
    }

    fn agent(&self, conn: &mut Conn, exported: &ExportedAgent, wanted: Wanted, ids: &Ids) -> Result<AgentId> {
        let Wanted { mut request, llm_config, embedding_config } = wanted;
        request.tool_ids = Some(new_ids(&ids.tools, texts(exported.tool_ids.as_ref()))?);
        request.block_ids = Some(new_ids(&ids.blocks, texts(exported.block_ids.as_ref()))?);
        let plan = Plan::new(request, self.production, llm_config, embedding_config)?;
        let row = plan.store(conn, &self.actor, &self.cipher)?;
        let max_files_open = FileLimits::of(&row).max_files_open;

        let folders = new_ids(&ids.sources, check::folders(exported))?;
        orm::sources::attach(conn, row.id, &folders)?;
        let mut open = 0;
        let mut rows = Vec::with_capacity(exported.files_agents.len());
        for file in &exported.files_agents {
            let is_open = file.is_open && open < max_files_open;
            open += i64::from(is_open);
            rows.push(FileAgentRow {
                id: FileAgentId::random(),
                agent_id: row.id,
                file_id: new_id(&ids.files, &file.file_id)?,
                source_id: new_id(&ids.sources, &file.source_id)?,
                file_name: file.file_name.clone(),
                is_open,
                visible_content: file.visible_content.clone().filter(|_| is_open),
                last_accessed_at: file.last_accessed_at.unwrap_or_else(Timestamp::now),
                start_line: file.start_line,
                end_line: file.end_line,
            });
        }
        orm::file_agents::put(conn, &rows)?;

        if !self.options.strip_messages && !exported.messages.is_empty() {
            self.messages(conn, exported, row.id, &row.message_ids)?;
        }
        Ok(row.id)
    }

    /// Gives the agent the messages of the file. Those in the context take the place of its new system message,
    /// which stays when there are none.
    fn messages(&self, conn: &mut Conn, exported: &ExportedAgent, agent: AgentId, fresh: &[MessageId]) -> Result<()> {
        let messages: Vec<StoredMessage> = exported.messages.iter().map(|message| stored(message, agent)).collect();
        let ids: HashMap<String, MessageId> =
            exported.messages.iter().map(|message| message.id.clone()).zip(messages.iter().map(|m| m.id)).collect();
        let in_context = new_ids(&ids, exported.in_context_message_ids.iter().map(String::as_str))?;
        if !in_context.is_empty() {
            orm::messages::delete(conn, self.actor.organization_id, fresh)?;
            orm::agents::set_message_ids(conn, &self.actor, agent, &in_context)?;
        }
        Ok(orm::messages::insert(conn, &self.actor, &messages)?)
    }
}

fn stored(message: &ExportedMessage, agent: AgentId) -> StoredMessage {
    let content = match &message.content {
        MessageContent::Text(text) => vec![crate::schema::ContentPart::text(text)],
        MessageContent::Parts(parts) => parts.clone(),
    };
    StoredMessage {
        name: message.name.clone(),
        model: message.model.clone(),
        tool_calls: message.tool_calls.clone().unwrap_or_default(),
        tool_call_id: message.tool_call_id.clone(),
        tool_returns: message.tool_returns.clone().unwrap_or_default(),
        approvals: message.approvals.clone().unwrap_or_default(),
        approve: message.approve,
        approval_request_id: message.approval_request_id.clone(),
        denial_reason: message.denial_reason.clone(),
        otid: message.otid.clone(),
        sender_id: message.sender_id.clone(),
        group_id: message.group_id.clone(),
        batch_item_id: message.batch_item_id.clone(),
        created_at: message.created_at,
        ..StoredMessage::new(agent, message.role, content)
    }
}

/// The request for a group with the new ids of its agents and blocks.
fn group_request(exported: &ExportedGroup, ids: &Ids, project: Option<&String>) -> Result<GroupCreate> {
    let agent = |id: &str| new_id(&ids.agents, id);
    let manager_config: ManagerConfig = match exported.manager_config.clone() {
        ExportedManagerConfig::RoundRobin(manager) => manager.into(),
        ExportedManagerConfig::Supervisor(manager) => {
            SupervisorManager { manager_agent_id: agent(&manager.manager_agent_id)? }.into()
        }
        ExportedManagerConfig::Dynamic(manager) => DynamicManager {
            manager_agent_id: agent(&manager.manager_agent_id)?,
            termination_token: manager.termination_token,
            max_turns: manager.max_turns,
        }
        .into(),
        ExportedManagerConfig::Sleeptime(manager) => SleeptimeManager {
            manager_agent_id: agent(&manager.manager_agent_id)?,
            sleeptime_agent_frequency: manager.sleeptime_agent_frequency,
        }
        .into(),
        ExportedManagerConfig::VoiceSleeptime(manager) => VoiceSleeptimeManager {
            manager_agent_id: agent(&manager.manager_agent_id)?,
            max_message_buffer_length: manager.max_message_buffer_length,
            min_message_buffer_length: manager.min_message_buffer_length,
        }
        .into(),
    };
    Ok(GroupCreate {
        agent_ids: new_ids(&ids.agents, exported.agent_ids.iter().map(String::as_str))?,
        description: exported.description.clone(),
        manager_config,
        project_id: project.cloned().or_else(|| exported.project_id.clone()),
        shared_block_ids: new_ids(&ids.blocks, exported.shared_block_ids.iter().map(String::as_str))?,
        hidden: exported.hidden,
    })
}
