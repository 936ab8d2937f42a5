//! Making an agent: everything that belongs to it, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    AgentManager, Include, check, companion,
    defaults::{self, base_tools, multi_agent_tools},
    initial::{self, Start},
    load_states, missing_block, name, one_state,
    state::GIT_MEMORY_TAG,
};
use crate::{
    Actor, block,
    error::{Error, FieldError, Result},
    identity::existing_identities,
    image,
    model::{compaction, config},
    orm::{self, Conn, agents::AgentRow},
    prompt::{self, PromptInput},
    schema::{
        AgentId, AgentState, AgentType, Block, BlockId, ContentPart, CreateAgent, CreateBlock, EmbeddingConfig,
        LlmConfig, MessageRole, OrganizationId, Source, StoredMessage, Timestamp, Tool, ToolId, ToolRule,
    },
    secret::Cipher,
    source,
};

const SEND_MESSAGE: &str = "send_message";
/// Agents with this tag work for other agents and are not shown in lists.
const SUBAGENT_TAG: &str = "role:subagent";
const DEFAULT_TIMEZONE: &str = "UTC";

impl AgentManager<'_> {
    /// Makes an agent with its blocks, tools, rules, tags, secrets and first messages.
    ///
    /// # Errors
    /// 400 and 404 for models, tools, blocks that do not exist, 409 for labels used twice, 422 for fields that
    /// break their rules. Nothing is written then.
    pub async fn create(&self, actor: &Actor, mut request: CreateAgent) -> Result<AgentState> {
        check::create(&request)?;
        compaction::check(request.compaction_settings.as_ref())?;
        if let Some(said) = &mut request.initial_message_sequence {
            image::bring_in_shown(self.0, said).await?;
        }
        let models = self.0.models();
        let settings = self.0.settings();
        let resolved = match &request.llm_config {
            Some(_) => None,
            None => Some(models.resolve_or_default(actor, request.model.as_deref()).await?),
        };
        let llm_config = config::create(&request, resolved.as_ref(), settings.max_context_window)?;
        let embedding = request.embedding.as_deref().or(settings.default_embedding.as_deref());
        let embedding_config = match (&request.embedding_config, embedding) {
            (Some(config), _) => Some(config.clone()),
            (None, Some(handle)) => Some(models.resolve_embedding(actor, handle, request.embedding_chunk_size).await?),
            (None, None) => None,
        };
        let companion = request.enable_sleeptime == Some(true);
        let plan = Plan::new(request, settings.is_production(), llm_config, embedding_config)?;
        let (actor, cipher) = (*actor, self.0.cipher().clone());
        let write = move |conn: &mut Conn| {
            let row = plan.store(conn, &actor, &cipher)?;
            if companion {
                companion::add(conn, &actor, &cipher, &row)?;
            }
            one_state(row.id, load_states(conn, actor.organization_id, &cipher, vec![row], Include::ALL)?)
        };
        self.0.db().write(write).await
    }
}

/// All that is known of a new agent before the database is asked.
pub(crate) struct Plan {
    request: CreateAgent,
    system: String,
    llm_config: LlmConfig,
    embedding_config: Option<EmbeddingConfig>,
    /// The names of the tools that are attached, and those of them that the request itself names.
    tool_names: Vec<String>,
    /// Whether the tools of the type decide how the agent starts.
    base_tools: bool,
    max_files_open: Option<i64>,
    per_file_view_window_char_limit: Option<i64>,
    /// The deployment of a template that makes it, and what it is called there.
    deployment: Option<(String, String)>,
}

impl Plan {
    /// `production`: whether tools that need the other agent in the same process are left out.
    pub(crate) fn new(
        mut request: CreateAgent,
        production: bool,
        llm_config: LlmConfig,
        embedding_config: Option<EmbeddingConfig>,
    ) -> Result<Self> {
        let agent_type = request.agent_type;
        let system = match request.system.take() {
            Some(system) => system,
            None => prompt::default_system(agent_type).map(str::to_owned).ok_or_else(|| {
                Error::BadRequest(format!("A {agent_type} has no built-in system prompt. Send one as 'system'."))
            })?,
        };
        if request.include_default_source && embedding_config.is_none() {
            return Err(Error::Unprocessable(vec![FieldError::body(
                "include_default_source",
                "A folder needs an embedding model. Name one as 'embedding', or leave include_default_source out.",
            )]));
        }
        let max_files_open = check::max_files_open(request.max_files_open)?;
        let per_file_view_window_char_limit = check::view_window(request.per_file_view_window_char_limit)?;
        if let Some(tags) = &mut request.tags {
            // There is no service here that keeps memory in a repository.
            tags.retain(|tag| tag != GIT_MEMORY_TAG);
        }

        let mut tool_names = Vec::new();
        let mut answers_directly = false;
        if request.include_base_tools {
            let base = base_tools(agent_type, request.enable_sleeptime == Some(true));
            tool_names.extend(base.names.iter().map(ToString::to_string));
            answers_directly = base.answers_directly;
        }
        if request.include_multi_agent_tools {
            tool_names.extend(multi_agent_tools(production).iter().map(ToString::to_string));
        }
        tool_names.extend(request.tools.take().unwrap_or_default());
        if answers_directly {
            tool_names.retain(|name| name != SEND_MESSAGE);
            if request.tool_rules.is_none() {
                request.include_base_tool_rules.get_or_insert(false);
            }
        }
        Ok(Self {
            base_tools: request.include_base_tools,
            request,
            system,
            llm_config,
            embedding_config,
            tool_names,
            max_files_open,
            per_file_view_window_char_limit,
            deployment: None,
        })
    }

    /// Makes it a part of the deployment of a template, which may have tools that this server does not: it is made
    /// without them.
    pub(crate) fn deployed(self, deployment_id: String, entity_id: String) -> Self {
        Self { deployment: Some((deployment_id, entity_id)), ..self }
    }

    /// Writes the agent and all that comes with it.
    pub(crate) fn store(mut self, conn: &mut Conn, actor: &Actor, cipher: &Cipher) -> Result<AgentRow> {
        let organization = actor.organization_id;
        let existing = existing_blocks(conn, organization, self.request.block_ids.as_deref().unwrap_or_default())?;
        let new = self.request.memory_blocks.take().unwrap_or_default();
        check::distinct_labels(
            new.iter().map(|block| block.label.as_str()).chain(existing.iter().map(|block| block.label.as_str())),
        )?;
        let identities =
            existing_identities(conn, organization, self.request.identity_ids.as_deref().unwrap_or_default())?;
        let mut folders = self.folders(conn, organization)?;
        let tools = self.tools(conn, organization)?;
        let tool_rules = self.tool_rules(&tools)?;
        let blocks = make_blocks(conn, actor, new, existing)?;

        let id = AgentId::random();
        let mut row = self.row(id, actor, tool_rules);
        let mut messages = self.messages(&row, &blocks);
        row.message_ids = messages.iter().map(|message| message.id).collect();

        orm::agents::insert(conn, &row)?;
        orm::blocks::attach(conn, id, &blocks.iter().collect::<Vec<_>>())?;
        orm::tools::attach(conn, id, &tools.iter().map(|tool| tool.id).collect::<Vec<_>>())?;
        orm::identities::of_agent::attach(conn, id, &identities)?;
        folders.extend(self.default_folder(conn, actor, &row.name)?);
        source::attach_all(conn, &row, &folders)?;
        if let Some(tags) = &self.request.tags {
            orm::tags::replace_of_agent(conn, actor, id, tags)?;
        }
        let secrets =
            check::given(self.request.secrets.as_ref(), self.request.tool_exec_environment_variables.as_ref());
        if let Some(secrets) = secrets {
            orm::secrets::replace(conn, actor, id, &seal(cipher, secrets)?)?;
        }
        if let (false, Some(system)) = (folders.is_empty(), messages.first_mut()) {
            // Which files are open was not known before they were attached.
            let text = prompt::compile_now(conn, organization, &row, row.created_at)?;
            system.content = vec![ContentPart::text(text)];
        }
        orm::messages::insert(conn, actor, &messages)?;
        Ok(row)
    }

    /// The folders that the request names.
    fn folders(&self, conn: &mut Conn, organization: OrganizationId) -> Result<Vec<Source>> {
        let folders = self.request.folder_ids.as_deref().filter(|ids| !ids.is_empty());
        let ids = folders.or(self.request.source_ids.as_deref()).unwrap_or_default();
        source::existing(conn, organization, ids)
    }

    /// A new folder for the agent alone, if the request wants one.
    fn default_folder(&self, conn: &mut Conn, actor: &Actor, agent_name: &str) -> Result<Option<Source>> {
        let config = self.embedding_config.as_ref().filter(|_| self.request.include_default_source);
        let Some(config) = config else { return Ok(None) };
        let folder = source::named(format!("{agent_name} External Data Source"), config.clone());
        source::insert(conn, actor, &folder).map(Some)
    }

    /// The tools: those by name in the order of the names, then those by id; each once.
    fn tools(&self, conn: &mut Conn, organization: OrganizationId) -> Result<Vec<Tool>> {
        let (by_name, no_such_names) = tools_by_name(conn, organization, &self.tool_names)?;
        let ids = self.request.tool_ids.as_deref().unwrap_or_default();
        let (by_id, no_such_ids) = tools_by_id(conn, organization, ids)?;
        if self.deployment.is_none() {
            if !no_such_names.is_empty() {
                return Err(Error::BadRequest(format!("Tools not found by name: {}", braces(&no_such_names))));
            }
            if !no_such_ids.is_empty() {
                return Err(Error::BadRequest(format!("Tools not found by id:   {}", braces(&no_such_ids))));
            }
        }
        let mut seen = HashSet::new();
        Ok(by_name.into_iter().chain(by_id).filter(|tool| seen.insert(tool.id)).collect())
    }

    fn tool_rules(&mut self, tools: &[Tool]) -> Result<Vec<ToolRule>> {
        let request = &mut self.request;
        let mut rules = request.tool_rules.take().unwrap_or_default();
        check::first_tools(&rules, &self.llm_config.model)?;
        let model = &self.llm_config.model;
        if defaults::wants_base_rules(request.include_base_tool_rules, request.agent_type, model) {
            rules.extend(defaults::base_rules(tools));
        }
        rules.extend(defaults::approval_rules(tools));
        Ok(ToolRule::dedup(rules))
    }

    fn row(&self, id: AgentId, actor: &Actor, tool_rules: Vec<ToolRule>) -> AgentRow {
        let request = &self.request;
        let now = Timestamp::now();
        let user = Some(actor.user_id);
        let subagent = request.tags.iter().flatten().any(|tag| tag == SUBAGENT_TAG);
        AgentRow {
            id,
            organization_id: actor.organization_id,
            agent_type: request.agent_type,
            name: request.name.clone().unwrap_or_else(name::generate),
            description: request.description.clone(),
            system: self.system.clone(),
            message_ids: Vec::new(),
            metadata: request.metadata.clone(),
            compaction_settings: Some(compaction::create(request.compaction_settings.clone(), &self.llm_config)),
            llm_config: self.llm_config.clone(),
            embedding_config: self.embedding_config.clone(),
            response_format: request.response_format.clone(),
            tool_rules,
            project_id: request.project_id.clone(),
            template_id: request.template_id.clone(),
            base_template_id: request.base_template_id.clone(),
            deployment_id: self.deployment.as_ref().map(|(id, _)| id.clone()),
            entity_id: self.deployment.as_ref().map(|(_, entity)| entity.clone()),
            message_buffer_autoclear: request.message_buffer_autoclear
                || request.agent_type == AgentType::WorkflowAgent,
            enable_sleeptime: request.enable_sleeptime,
            last_run_completion: None,
            last_run_duration_ms: None,
            last_stop_reason: None,
            timezone: Some(request.timezone.clone().unwrap_or_else(|| DEFAULT_TIMEZONE.to_owned())),
            max_files_open: self.max_files_open,
            per_file_view_window_char_limit: self.per_file_view_window_char_limit,
            hidden: if subagent { Some(true) } else { request.hidden },
            created_at: now,
            updated_at: now,
            created_by_id: user,
            last_updated_by_id: user,
        }
    }

    /// The system message and what follows it.
    fn messages(&self, row: &AgentRow, blocks: &[Block]) -> Vec<StoredMessage> {
        let text = prompt::compile(&PromptInput::of(row, blocks, row.created_at));
        let mut system = StoredMessage::new(row.id, MessageRole::System, vec![ContentPart::text(text)]);
        system.model = Some(row.llm_config.model.clone());
        system.created_at = row.created_at;
        let start = Start::of(row, self.base_tools);
        let mut messages = vec![system];
        messages.extend(initial::messages(&start, self.request.initial_message_sequence.as_deref()));
        messages
    }
}

/// The tools of these names in their order, and the names that no tool has.
fn tools_by_name<'a>(
    conn: &mut Conn,
    organization: OrganizationId,
    names: &'a [String],
) -> Result<(Vec<Tool>, BTreeSet<&'a String>)> {
    if names.is_empty() {
        return Ok(Default::default());
    }
    check::list("tools", names)?;
    let mut tools = orm::tools::by_names(conn, organization, names)?;
    let found: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let missing = names.iter().filter(|name| !found.contains(name.as_str())).collect();
    let place = |tool: &Tool| names.iter().position(|name| *name == tool.name);
    tools.sort_by_key(place);
    Ok((tools, missing))
}

/// The tools with these ids in their order, and the ids that no tool has.
pub(super) fn tools_by_id(
    conn: &mut Conn,
    organization: OrganizationId,
    ids: &[ToolId],
) -> Result<(Vec<Tool>, Vec<ToolId>)> {
    if ids.is_empty() {
        return Ok(Default::default());
    }
    check::list("tool_ids", ids)?;
    let mut tools = orm::tools::get_many(conn, organization, ids)?;
    let found: HashSet<_> = tools.iter().map(|tool| tool.id).collect();
    let missing = ids.iter().copied().filter(|id| !found.contains(id)).collect();
    tools.sort_by_key(|tool| ids.iter().position(|id| *id == tool.id));
    Ok((tools, missing))
}

/// The blocks with these ids, in their order; each once.
pub(crate) fn existing_blocks(conn: &mut Conn, organization: OrganizationId, ids: &[BlockId]) -> Result<Vec<Block>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    check::list("block_ids", ids)?;
    let mut blocks = orm::blocks::get_many(conn, organization, ids)?;
    let found: HashSet<_> = blocks.iter().map(|block| block.id).collect();
    if let Some(id) = ids.iter().find(|id| !found.contains(id)) {
        return Err(missing_block(*id));
    }
    blocks.sort_by_key(|block| ids.iter().position(|id| *id == block.id));
    Ok(blocks)
}

fn make_blocks(conn: &mut Conn, actor: &Actor, new: Vec<CreateBlock>, existing: Vec<Block>) -> Result<Vec<Block>> {
    let mut blocks = Vec::with_capacity(new.len() + existing.len());
    for block in new {
        blocks.push(block::create(conn, actor, block)?);
    }
    blocks.extend(existing);
    Ok(blocks)
}

/// Secrets as they are stored.
pub(super) fn seal(cipher: &Cipher, secrets: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    secrets.iter().map(|(key, value)| Ok((key.clone(), cipher.seal(value)?))).collect()
}

/// A set as clients of the reference know it in error texts: `{'a', 'b'}`.
fn braces<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| format!("'{item}'")).collect();
    format!("{{{}}}", items.join(", "))
}
