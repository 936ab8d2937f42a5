//! Changing an agent: what was sent, and what follows from it, in one transaction.

use super::{
    AgentManager, Include, check, companion,
    create::{existing_blocks, seal, tools_by_id},
    load_states, lock, one_state,
    state::GIT_MEMORY_TAG,
};
use crate::{
    Actor,
    error::{Error, Result},
    group,
    identity::existing_identities,
    llm::ModelInfo,
    model::{compaction, config},
    orm::{
        self, Conn,
        agents::{AgentChanges, AgentRow},
    },
    prompt,
    schema::{AgentId, AgentState, Block, BlockId, EmbeddingConfig, ToolId, ToolRule, UpdateAgent},
    secret::Cipher,
    source,
};

impl AgentManager<'_> {
    /// Changes an agent. Null and absent fields change nothing, but for `max_tokens`; lists are replaced whole.
    /// The system message is rendered anew when something changes that it shows.
    ///
    /// # Errors
    /// 404 for the agent, and for models, tools, blocks, folders and identities that do not exist; 409 for labels
    /// used twice; 422 for fields that break their rules. Nothing is written then.
    pub async fn update(&self, actor: &Actor, id: AgentId, request: UpdateAgent) -> Result<AgentState> {
        check::update(&request)?;
        compaction::check(request.compaction_settings.as_value())?;
        let models = self.0.models();
        let model = match (request.llm_config.as_value(), request.model.as_value()) {
            (None, Some(handle)) => Some(models.resolve(actor, handle).await?),
            _ => None,
        };
        let embedding_config = match request.embedding.as_value() {
            Some(handle) => Some(models.resolve_embedding(actor, handle, None).await?),
            None => request.embedding_config.as_value().cloned(),
        };
        let change = Change {
            max_window: self.0.settings().max_context_window,
            max_files_open: check::max_files_open(request.max_files_open.as_value().copied())?,
            per_file_view_window_char_limit: check::view_window(
                request.per_file_view_window_char_limit.as_value().copied(),
            )?,
            request,
            model,
            embedding_config,
        };
        let (actor, cipher) = (*actor, self.0.cipher().clone());
        self.0.db().write(move |conn| change.carry_out(conn, &actor, id, &cipher)).await
    }
}

/// All that is known of an update before the agent is read.
struct Change {
    request: UpdateAgent,
    /// The model of the handle that was sent.
    model: Option<ModelInfo>,
    embedding_config: Option<EmbeddingConfig>,
    max_window: i64,
    max_files_open: Option<i64>,
    per_file_view_window_char_limit: Option<i64>,
}

impl Change {
    fn carry_out(mut self, conn: &mut Conn, actor: &Actor, id: AgentId, cipher: &Cipher) -> Result<AgentState> {
        let organization = actor.organization_id;
        let before = lock(conn, organization, id)?;
        let tools = self.request.tool_ids.as_value().cloned();
        let blocks = self.request.block_ids.as_value().cloned();
        let tags = self.request.tags.as_value().cloned();
        let identities = self.request.identity_ids.as_value().cloned();
        let folders = self.request.folder_ids.as_value().or(self.request.source_ids.as_value()).cloned();
        let companion = self.request.enable_sleeptime.as_value() == Some(&true);
        let secrets = self.request.secrets.as_value().or(self.request.tool_exec_environment_variables.as_value());
        let secrets = secrets.map(|secrets| seal(cipher, secrets)).transpose()?;

        // Those whose system messages may show something of this.
        let mut shown_to = vec![id];
        let changes = self.changes(&before)?;
        orm::agents::update(conn, actor, id, changes)?;
        if let Some(tools) = tools {
            replace_tools(conn, actor, id, &tools)?;
        }
        if let Some(blocks) = blocks {
            shown_to.extend(replace_blocks(conn, actor, id, &blocks)?);
        }
        if let Some(identities) = identities {
            let identities = existing_identities(conn, organization, &identities)?;
            orm::identities::of_agent::replace(conn, id, &identities)?;
        }
        if let Some(folders) = folders {
            let agent = super::find(conn, organization, id)?;
            source::replace(conn, &agent, &folders)?;
        }
        if let Some(mut tags) = tags {
            tags.retain(|tag| tag != GIT_MEMORY_TAG);
            orm::tags::replace_of_agent(conn, actor, id, &tags)?;
        }
        if let Some(secrets) = secrets {
            orm::secrets::replace(conn, actor, id, &secrets)?;
        }
        if companion {
            let main = super::find(conn, organization, id)?;
            companion::add_if_alone(conn, actor, cipher, &main)?;
        }
        // Renders only where the text really differs, so that the provider's cache stays warm.
        prompt::rebuild(conn, organization, &shown_to)?;
        let row = super::find(conn, organization, id)?;
        one_state(id, load_states(conn, organization, cipher, vec![row], Include::ALL)?)
    }

    fn changes(&mut self, before: &AgentRow) -> Result<AgentChanges> {
        let llm_config =
            config::update(&before.llm_config, before.agent_type, &self.request, self.model.as_ref(), self.max_window)?;
        let compaction_settings = compaction::update(
            before.compaction_settings.as_ref(),
            self.request.compaction_settings.as_value().cloned(),
            &before.llm_config,
            llm_config.as_ref().unwrap_or(&before.llm_config),
        );
        let request = std::mem::take(&mut self.request);
        Ok(AgentChanges {
            name: request.name.value(),
            description: request.description.value().map(Some),
            system: request.system.value(),
            message_ids: request.message_ids.value(),
            metadata: request.metadata.value().map(Some),
            llm_config,
            embedding_config: self.embedding_config.take().map(Some),
            compaction_settings: compaction_settings.map(Some),
            response_format: request.response_format.value().map(Some),
            tool_rules: request.tool_rules.value().map(ToolRule::dedup),
            project_id: request.project_id.value().map(Some),
            template_id: request.template_id.value().map(Some),
            base_template_id: request.base_template_id.value().map(Some),
            deployment_id: None,
            entity_id: None,
            message_buffer_autoclear: request.message_buffer_autoclear.value(),
            enable_sleeptime: request.enable_sleeptime.value().map(Some),
            last_run_completion: request.last_run_completion.value().map(Some),
            last_run_duration_ms: request.last_run_duration_ms.value().map(Some),
            last_stop_reason: request.last_stop_reason.value().map(Some),
            timezone: request.timezone.value().map(Some),
            max_files_open: self.max_files_open.map(Some),
            per_file_view_window_char_limit: self.per_file_view_window_char_limit.map(Some),
            hidden: request.hidden.value().map(Some),
        })
    }
}

/// Makes these the tools of the agent. Those that stay keep their place.
fn replace_tools(conn: &mut Conn, actor: &Actor, id: AgentId, ids: &[ToolId]) -> Result<()> {
    let (_, missing) = tools_by_id(conn, actor.organization_id, ids)?;
    if let Some(id) = missing.first() {
        return Err(Error::missing("Tool", id));
    }
    for tool in orm::tools::attached_to(conn, id)? {
        if !ids.contains(&tool.id) {
            orm::tools::detach(conn, id, tool.id)?;
        }
    }
    Ok(orm::tools::attach(conn, id, ids)?)
}

/// Makes these the blocks of the agent and of its companions, which it returns. Those that stay keep their place.
fn replace_blocks(conn: &mut Conn, actor: &Actor, id: AgentId, ids: &[BlockId]) -> Result<Vec<AgentId>> {
    let mut ids = ids.to_vec();
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    let blocks = existing_blocks(conn, actor.organization_id, &ids)?;
    check::distinct_blocks(&blocks)?;
    for block in orm::blocks::attached_to(conn, id)? {
        if !ids.contains(&block.id) {
            orm::blocks::detach(conn, id, block.id)?;
            group::detach_from_companions(conn, id, block.id)?;
        }
    }
    let blocks: Vec<&Block> = blocks.iter().collect();
    orm::blocks::attach(conn, id, &blocks)?;
    group::attach_to_companions(conn, id, &blocks)
}
