//! Agents as they are answered: their rows with the relationships that were asked for.
//!
//! However many agents there are, each relationship is one query.

use std::collections::HashMap;

use super::defaults::FileLimits;
use crate::{
    agent_loop::pending_request,
    error::Result,
    file::view,
    orm::{self, Conn, agents::AgentRow, secrets::SecretRow},
    schema::{
        AgentEnvironmentVariable, AgentId, AgentInclude, AgentState, ApprovalRequestMessage, Group, LlmConfig, Memory,
        MessageId, MessageRole, ModelSettings, OrganizationId, StoredMessage, WireMessage, WireOptions,
    },
    secret::Cipher,
};

/// Agents with this tag keep their memory in a git repository.
pub(super) const GIT_MEMORY_TAG: &str = "git-memory-enabled";

/// Which relationships are loaded with an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Include {
    /// Blocks, and with them files and tags.
    pub blocks: bool,
    /// Tools.
    pub tools: bool,
    /// Folders.
    pub sources: bool,
    /// Tags.
    pub tags: bool,
    /// Secrets.
    pub secrets: bool,
    /// Identities.
    pub identities: bool,
    /// The group that the agent manages.
    pub managed_group: bool,
    /// The tool calls that wait for an approval.
    pub pending_approval: bool,
}

impl Include {
    /// The agent alone.
    pub const NONE: Self = Self {
        blocks: false,
        tools: false,
        sources: false,
        tags: false,
        secrets: false,
        identities: false,
        managed_group: false,
        pending_approval: false,
    };

    /// Everything but a pending approval.
    pub const ALL: Self = Self {
        blocks: true,
        tools: true,
        sources: true,
        tags: true,
        secrets: true,
        identities: true,
        managed_group: true,
        pending_approval: false,
    };

    /// What a request for agents loads.
    ///
    /// `include` decides when it names anything, else the deprecated `include_relationships` (`None` when the
    /// parameter was not sent; unknown names are ignored), else the kind of client: today's SDKs get nothing
    /// that they did not ask for, older and other clients everything.
    pub fn decide(include: &[AgentInclude], include_relationships: Option<&[String]>, today_s_sdk: bool) -> Self {
        let mut chosen = Self::NONE;
        if !include.is_empty() {
            include.iter().for_each(|relationship| chosen.add(*relationship));
        } else if let Some(names) = include_relationships {
            names.iter().filter_map(|name| by_old_name(name)).for_each(|relationship| chosen.add(relationship));
        } else if !today_s_sdk {
            chosen = Self::ALL;
        }
        chosen
    }

    fn add(&mut self, relationship: AgentInclude) {
        match relationship {
            AgentInclude::Blocks => (self.blocks, self.tags) = (true, true),
            AgentInclude::Tools => self.tools = true,
            AgentInclude::Tags => self.tags = true,
            AgentInclude::Secrets => self.secrets = true,
            AgentInclude::PendingApproval => self.pending_approval = true,
            AgentInclude::Identities => self.identities = true,
            AgentInclude::ManagedGroup => self.managed_group = true,
            AgentInclude::Sources => self.sources = true,
        }
    }
}

fn by_old_name(name: &str) -> Option<AgentInclude> {
    Some(match name {
        "memory" => AgentInclude::Blocks,
        "tools" => AgentInclude::Tools,
        "sources" => AgentInclude::Sources,
        "tags" => AgentInclude::Tags,
        "identity_ids" => AgentInclude::Identities,
        "multi_agent_group" => AgentInclude::ManagedGroup,
        "tool_exec_environment_variables" | "secrets" => AgentInclude::Secrets,
        _ => return None,
    })
}

/// The agents of these rows, in their order, with their relationships.
pub(crate) fn load(
    conn: &mut Conn,
    organization: OrganizationId,
    cipher: &Cipher,
    rows: Vec<AgentRow>,
    include: Include,
) -> Result<Vec<AgentState>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let ids = ids.as_slice();
    let mut blocks = if include.blocks { orm::blocks::of_agents(conn, ids)? } else { HashMap::new() };
    let mut files = if include.blocks { orm::file_agents::of_agents(conn, ids)? } else { HashMap::new() };
    let mut sources = if include.sources { orm::sources::of_agents(conn, ids)? } else { HashMap::new() };
    let mut tools = if include.tools { orm::tools::of_agents(conn, ids)? } else { HashMap::new() };
    let mut tags = if include.tags { orm::tags::of_agents(conn, ids)? } else { HashMap::new() };
    let mut secrets = if include.secrets { orm::secrets::of_agents(conn, ids)? } else { HashMap::new() };
    let mut identities = if include.identities { orm::identities::of_agents(conn, ids)? } else { HashMap::new() };
    let mut groups = if include.managed_group { managed_groups(conn, ids)? } else { HashMap::new() };
    let mut approvals =
        if include.pending_approval { pending_approvals(conn, organization, &rows)? } else { HashMap::new() };
    let state = |row: AgentRow| {
        let mut state = bare(row);
        state.blocks = blocks.remove(&state.id).unwrap_or_default();
        // Here the tags of blocks are not shown; the routes for blocks do.
        state.blocks.iter_mut().for_each(|block| block.tags.clear());
        state.memory.blocks.clone_from(&state.blocks);
        let shown = state.per_file_view_window_char_limit.unwrap_or(0);
        state.memory.file_blocks = view::blocks(files.remove(&state.id).unwrap_or_default(), shown);
        state.sources = sources.remove(&state.id).unwrap_or_default();
        state.tools = tools.remove(&state.id).unwrap_or_default();
        state.tags = tags.remove(&state.id).unwrap_or_default();
        state.memory.git_enabled = state.tags.iter().any(|tag| tag == GIT_MEMORY_TAG);
        state.secrets =
            secrets.remove(&state.id).unwrap_or_default().into_iter().map(|row| secret(cipher, row)).collect();
        state.tool_exec_environment_variables.clone_from(&state.secrets);
        state.identities = identities.remove(&state.id).unwrap_or_default();
        state.identity_ids = state.identities.iter().map(|identity| identity.id).collect();
        state.managed_group = groups.remove(&state.id);
        state.multi_agent_group.clone_from(&state.managed_group);
        let last = state.message_ids.as_ref().and_then(|ids| ids.last());
        state.pending_approval = last.and_then(|id| approvals.remove(id));
        state
    };
    Ok(rows.into_iter().map(state).collect())
}

/// The group that each of these agents manages; of several the first one.
fn managed_groups(conn: &mut Conn, ids: &[AgentId]) -> Result<HashMap<AgentId, Group>> {
    let mut map = HashMap::new();
    for group in orm::groups::managed_by(conn, ids)? {
        if let Some(manager) = group.manager_agent_id {
            map.entry(manager).or_insert(group);
        }
    }
    Ok(map)
}

/// The agent without relationships.
fn bare(row: AgentRow) -> AgentState {
    let limits = FileLimits::of(&row);
    AgentState {
        created_by_id: row.created_by_id,
        last_updated_by_id: row.last_updated_by_id,
        created_at: Some(row.created_at),
        updated_at: Some(row.updated_at),
        id: row.id,
        name: row.name,
        tool_rules: Some(row.tool_rules),
        message_ids: Some(row.message_ids),
        system: row.system,
        agent_type: row.agent_type,
        model: row.llm_config.handle.clone(),
        embedding: row.embedding_config.as_ref().and_then(|config| config.handle.clone()),
        model_settings: ModelSettings::of(&row.llm_config),
        llm_config: LlmConfig {
            // Clients know no null here.
            parallel_tool_calls: row.llm_config.parallel_tool_calls.or(Some(false)),
            ..row.llm_config
        },
        embedding_config: row.embedding_config,
        compaction_settings: row.compaction_settings,
        response_format: row.response_format,
        description: row.description,
        metadata: row.metadata,
        memory: Memory { agent_type: Some(row.agent_type), ..Memory::default() },
        blocks: Vec::new(),
        tools: Vec::new(),
        sources: Vec::new(),
        tags: Vec::new(),
        tool_exec_environment_variables: Vec::new(),
        secrets: Vec::new(),
        project_id: row.project_id,
        template_id: row.template_id,
        base_template_id: row.base_template_id,
        deployment_id: row.deployment_id,
        entity_id: row.entity_id,
        identity_ids: Vec::new(),
        identities: Vec::new(),
        pending_approval: None,
        message_buffer_autoclear: row.message_buffer_autoclear,
        enable_sleeptime: row.enable_sleeptime,
        multi_agent_group: None,
        managed_group: None,
        last_run_completion: row.last_run_completion,
        last_run_duration_ms: row.last_run_duration_ms,
        last_stop_reason: row.last_stop_reason,
        timezone: row.timezone,
        max_files_open: Some(limits.max_files_open),
        per_file_view_window_char_limit: Some(limits.per_file_view_window_char_limit),
        hidden: row.hidden,
    }
}

/// A secret in clear text. One that cannot be opened is shown empty: it must not hide the agent, let alone a list.
fn secret(cipher: &Cipher, row: SecretRow) -> AgentEnvironmentVariable {
    let value = cipher.open(&row.value_enc).unwrap_or_else(|error| {
        tracing::error!(%error, agent = %row.agent_id, secret = row.key, "a secret is shown empty");
        String::new()
    });
    AgentEnvironmentVariable {
        created_by_id: None,
        last_updated_by_id: None,
        created_at: None,
        updated_at: None,
        id: row.id,
        key: row.key,
        value,
        description: row.description,
        value_enc: None,
        agent_id: row.agent_id,
    }
}

/// What waits for the client at the end of the agents' contexts, by the last message.
fn pending_approvals(
    conn: &mut Conn,
    organization: OrganizationId,
    rows: &[AgentRow],
) -> Result<HashMap<MessageId, ApprovalRequestMessage>> {
    let last: Vec<_> = rows.iter().filter_map(|row| row.message_ids.last().copied()).collect();
    if last.is_empty() {
        return Ok(HashMap::new());
    }
    let mut requests = HashMap::new();
    for message in orm::messages::by_ids(conn, organization, &last)? {
        let request = match message.role {
            MessageRole::Approval if message.is_approval_request() => Some(message.clone()),
            // A part of the calls is decided on already.
            MessageRole::Approval => {
                let context = rows.iter().map(|row| &row.message_ids).find(|ids| ids.last() == Some(&message.id));
                pending_request(conn, organization, context.map_or(&[], Vec::as_slice))?
            }
            _ => None,
        };
        requests.extend(request.as_ref().and_then(as_request).map(|request| (message.id, request)));
    }
    Ok(requests)
}

fn as_request(message: &StoredMessage) -> Option<ApprovalRequestMessage> {
    message.to_wire(&WireOptions::default()).into_iter().find_map(|wire| match wire {
        WireMessage::ApprovalRequest(request) => Some(request),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(include: &[AgentInclude], names: Option<&[&str]>, sdk: bool) -> Include {
        let names: Option<Vec<String>> = names.map(|names| names.iter().map(ToString::to_string).collect());
        Include::decide(include, names.as_deref(), sdk)
    }

    #[test]
    fn what_is_included_decides_over_the_old_parameter_and_the_client() {
        let tools = Include { tools: true, ..Include::NONE };
        assert_eq!(decide(&[AgentInclude::Tools], Some(&["memory"]), false), tools);
        assert_eq!(decide(&[], Some(&["tools", "tools"]), false), tools);
        assert_eq!(decide(&[], Some(&["nonsense"]), false), Include::NONE);
        assert_eq!(decide(&[], None, false), Include::ALL);
        assert_eq!(decide(&[], None, true), Include::NONE);
    }

    #[test]
    fn tags_come_with_blocks() {
        assert!(decide(&[AgentInclude::Blocks], None, true).tags);
        assert!(decide(&[], Some(&["memory"]), true).tags);
        assert!(decide(&[], Some(&["secrets"]), true).secrets);
    }
}
