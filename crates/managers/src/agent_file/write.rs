//! From what an export has loaded to an agent file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use super::ExportOptions;
use crate::{
    orm::{agents::AgentRow, file_agents::FileAgentRow},
    schema::{
        AgentFile, AgentId, Block, BlockId, CompactionSettings, CompactionSettingsInput, CreateAgent, CreateBlock,
        ExportedAgent, ExportedBlock, ExportedDynamicManager, ExportedFile, ExportedFileAgent, ExportedGroup,
        ExportedManagerConfig, ExportedMessage, ExportedSleeptimeManager, ExportedSource, ExportedSupervisorManager,
        ExportedTool, ExportedVoiceSleeptimeManager, FileId, FileMetadata, Group, GroupId, ManagerType, MessageContent,
        MessageId, Patch, RoundRobinManager, Source, SourceId, StoredMessage, Timestamp, Tool, ToolId,
    },
};

/// The revision of the form that our files have.
const REVISION: &str = "6d7569737469";

/// Agents with what they are made of, as it is stored.
pub(super) struct Loaded {
    /// The agents; the one that was asked for comes first.
    pub(super) agents: Vec<AgentRow>,
    pub(super) groups: Vec<Group>,
    pub(super) blocks: HashMap<AgentId, Vec<BlockId>>,
    pub(super) all_blocks: Vec<Block>,
    pub(super) tools: HashMap<AgentId, Vec<Tool>>,
    pub(super) tags: HashMap<AgentId, Vec<String>>,
    pub(super) secret_names: HashMap<AgentId, Vec<String>>,
    pub(super) sources: HashMap<AgentId, Vec<Source>>,
    pub(super) files: HashMap<AgentId, Vec<FileAgentRow>>,
    /// The files with their texts.
    pub(super) all_files: Vec<FileMetadata>,
    pub(super) messages: HashMap<AgentId, Vec<StoredMessage>>,
}

/// The ids in the file by the ids in the database.
struct Numbers<I>(HashMap<I, String>);

impl<I: Copy + Eq + Hash> Numbers<I> {
    fn new(prefix: &str, ids: impl IntoIterator<Item = I>) -> Self {
        Self(ids.into_iter().enumerate().map(|(number, id)| (id, format!("{prefix}-{number}"))).collect())
    }

    fn get(&self, id: I) -> Option<String> {
        self.0.get(&id).cloned()
    }

    /// Those of these that are in the file.
    fn all<'a>(&self, ids: impl IntoIterator<Item = &'a I>) -> Vec<String>
    where
        I: 'a,
    {
        ids.into_iter().filter_map(|id| self.get(*id)).collect()
    }
}

struct Writer {
    agents: Numbers<AgentId>,
    groups: Numbers<GroupId>,
    blocks: Numbers<BlockId>,
    tools: Numbers<ToolId>,
    sources: Numbers<SourceId>,
    files: Numbers<FileId>,
    messages: Numbers<MessageId>,
}

/// The file that holds all of this. Tools are sorted by name and blocks by label; each is there once, whoever has it.
pub(super) fn file(mut loaded: Loaded, options: ExportOptions) -> AgentFile {
    loaded.all_blocks.sort_by(|a, b| (&a.label, a.id).cmp(&(&b.label, b.id)));
    let tools: BTreeMap<(&str, ToolId), &Tool> =
        loaded.tools.values().flatten().map(|tool| ((tool.name.as_str(), tool.id), tool)).collect();
    let sources: BTreeMap<(&str, SourceId), &Source> =
        loaded.sources.values().flatten().map(|source| ((source.name.as_str(), source.id), source)).collect();
    let messages = loaded.agents.iter().filter_map(|agent| loaded.messages.get(&agent.id)).flatten();
    let writer = Writer {
        agents: Numbers::new("agent", loaded.agents.iter().map(|agent| agent.id)),
        groups: Numbers::new("group", loaded.groups.iter().map(|group| group.id)),
        blocks: Numbers::new("block", loaded.all_blocks.iter().map(|block| block.id)),
        tools: Numbers::new("tool", tools.keys().map(|(_, id)| *id)),
        sources: Numbers::new("source", sources.keys().map(|(_, id)| *id)),
        files: Numbers::new("file", loaded.all_files.iter().map(|file| file.id)),
        messages: Numbers::new("message", messages.map(|message| message.id)),
    };
    AgentFile {
        agents: loaded.agents.iter().map(|agent| writer.agent(agent, &loaded, options.scrub_messages)).collect(),
        groups: loaded.groups.iter().map(|group| writer.group(group)).collect(),
        blocks: loaded.all_blocks.iter().filter_map(|block| writer.block(block)).collect(),
        files: loaded.all_files.iter().filter_map(|file| writer.file(file)).collect(),
        sources: sources.values().filter_map(|source| writer.source(source)).collect(),
        tools: tools.values().filter_map(|tool| writer.tool(tool)).collect(),
        mcp_servers: Vec::new(),
        skills: options.skills,
        metadata: BTreeMap::from([("revision_id".to_owned(), REVISION.to_owned())]),
        created_at: Some(Timestamp::now()),
    }
}

impl Writer {
    fn agent(&self, row: &AgentRow, loaded: &Loaded, scrub_messages: bool) -> ExportedAgent {
        fn of<T>(map: &HashMap<AgentId, Vec<T>>, agent: AgentId) -> &[T] {
            map.get(&agent).map_or(&[], Vec::as_slice)
        }
        let id = row.id;
        let messages = if scrub_messages { &[] } else { of(&loaded.messages, id) };
        let in_context: BTreeSet<MessageId> = row.message_ids.iter().copied().collect();
        let in_context = messages.iter().map(|message| message.id).filter(|id| in_context.contains(id));
        let secrets: BTreeMap<String, String> =
            of(&loaded.secret_names, id).iter().map(|name| (name.clone(), String::new())).collect();
        let tools: Vec<ToolId> = of(&loaded.tools, id).iter().map(|tool| tool.id).collect();
        let sources: Vec<SourceId> = of(&loaded.sources, id).iter().map(|source| source.id).collect();
        let groups =
            loaded.groups.iter().filter(|group| group.manager_agent_id == Some(id) || group.agent_ids.contains(&id));
        ExportedAgent {
            id: self.agents.get(id).unwrap_or_default(),
            name: Some(row.name.clone()),
            tool_ids: Some(self.tools.all(&tools)),
            source_ids: Some(self.sources.all(&sources)),
            folder_ids: None,
            block_ids: Some(self.blocks.all(of(&loaded.blocks, id))),
            in_context_message_ids: in_context.filter_map(|id| self.messages.get(id)).collect(),
            messages: messages.iter().filter_map(|message| self.message(message)).collect(),
            files_agents: of(&loaded.files, id).iter().filter_map(|row| self.file_agent(row)).collect(),
            group_ids: groups.filter_map(|group| self.groups.get(group.id)).collect(),
            agent: CreateAgent {
                memory_blocks: Some(Vec::new()),
                tools: Some(Vec::new()),
                tool_rules: Some(row.tool_rules.clone()),
                tags: Some(of(&loaded.tags, id).to_vec()),
                system: Some(row.system.clone()),
                agent_type: row.agent_type,
                include_base_tools: false,
                include_multi_agent_tools: false,
                include_base_tool_rules: Some(false),
                include_default_source: false,
                description: row.description.clone(),
                metadata: row.metadata.clone(),
                llm_config: Some(row.llm_config.clone()),
                embedding_config: row.embedding_config.clone(),
                compaction_settings: row.compaction_settings.as_ref().map(settings),
                embedding_chunk_size: None,
                enable_reasoner: Some(false),
                tool_exec_environment_variables: Some(secrets.clone()),
                secrets: Some(secrets),
                message_buffer_autoclear: row.message_buffer_autoclear,
                // The companion is in the file; another one must not be made.
                enable_sleeptime: Some(false),
                response_format: row.response_format.clone(),
                timezone: row.timezone.clone(),
                max_files_open: row.max_files_open,
                per_file_view_window_char_limit: row.per_file_view_window_char_limit,
                hidden: row.hidden,
                ..CreateAgent::default()
            },
        }
    }

    fn message(&self, message: &StoredMessage) -> Option<ExportedMessage> {
        fn list<T: Clone>(items: &[T]) -> Option<Vec<T>> {
            (!items.is_empty()).then(|| items.to_vec())
        }
        Some(ExportedMessage {
            r#type: Some("message".to_owned()),
            otid: message.otid.clone(),
            group_id: message.group_id.clone(),
            role: message.role,
            content: MessageContent::Parts(message.content.clone()),
            name: message.name.clone(),
            sender_id: None,
            batch_item_id: message.batch_item_id.clone(),
            id: self.messages.get(message.id)?,
            model: message.model.clone(),
            agent_id: self.agents.get(message.agent_id),
            tool_calls: list(&message.tool_calls),
            tool_call_id: message.tool_call_id.clone(),
            tool_returns: list(&message.tool_returns),
            created_at: message.created_at,
            approve: message.approve,
            approval_request_id: message.approval_request_id.clone(),
            denial_reason: message.denial_reason.clone(),
            approvals: list(&message.approvals),
        })
    }

    fn block(&self, block: &Block) -> Option<ExportedBlock> {
        Some(ExportedBlock {
            id: self.blocks.get(block.id)?,
            block: CreateBlock {
                limit: block.limit,
                template_name: block.template_name.clone(),
                is_template: block.is_template,
                preserve_on_migration: block.preserve_on_migration,
                read_only: block.read_only,
                description: block.description.clone(),
                metadata: block.metadata.clone(),
                hidden: block.hidden,
                tags: Some(block.tags.clone()),
                ..CreateBlock::new(block.label.as_str(), block.value.as_str())
            },
        })
    }

    fn tool(&self, tool: &Tool) -> Option<ExportedTool> {
        let tool = tool.clone();
        Some(ExportedTool {
            id: self.tools.get(tool.id)?,
            tool_type: tool.tool_type,
            description: tool.description,
            source_type: tool.source_type,
            name: Some(tool.name),
            tags: tool.tags,
            source_code: tool.source_code,
            json_schema: tool.json_schema,
            args_json_schema: tool.args_json_schema,
            return_char_limit: tool.return_char_limit,
            pip_requirements: tool.pip_requirements,
            npm_requirements: tool.npm_requirements,
            default_requires_approval: tool.default_requires_approval,
            enable_parallel_execution: tool.enable_parallel_execution,
            created_by_id: None,
            last_updated_by_id: None,
            metadata_: tool.metadata_,
            project_id: None,
        })
    }

    fn source(&self, source: &Source) -> Option<ExportedSource> {
        Some(ExportedSource {
            name: source.name.clone(),
            description: source.description.clone(),
            instructions: source.instructions.clone(),
            metadata: source.metadata.clone(),
            embedding: None,
            embedding_chunk_size: None,
            embedding_config: Some(source.embedding_config.clone()),
            id: self.sources.get(source.id)?,
        })
    }

    fn file(&self, file: &FileMetadata) -> Option<ExportedFile> {
        let (id, source_id) = (self.files.get(file.id)?, self.sources.get(file.source_id)?);
        let file = file.clone();
        Some(ExportedFile {
            source_id,
            file_name: file.file_name,
            original_file_name: file.original_file_name,
            file_path: file.file_path,
            file_type: file.file_type,
            file_size: file.file_size,
            file_creation_date: file.file_creation_date,
            file_last_modified_date: file.file_last_modified_date,
            processing_status: file.processing_status,
            error_message: file.error_message,
            total_chunks: file.total_chunks,
            chunks_embedded: file.chunks_embedded,
            content: file.content,
            id,
        })
    }

    fn file_agent(&self, row: &FileAgentRow) -> Option<ExportedFileAgent> {
        Some(ExportedFileAgent {
            agent_id: self.agents.get(row.agent_id)?,
            file_id: self.files.get(row.file_id)?,
            source_id: self.sources.get(row.source_id)?,
            file_name: row.file_name.clone(),
            is_open: row.is_open,
            visible_content: row.visible_content.clone(),
            last_accessed_at: Some(row.last_accessed_at),
            start_line: row.start_line,
            end_line: row.end_line,
            id: row.id.to_string(),
        })
    }

    fn group(&self, group: &Group) -> ExportedGroup {
        let manager_agent_id = group.manager_agent_id.and_then(|id| self.agents.get(id)).unwrap_or_default();
        let manager_config = match group.manager_type {
            ManagerType::Supervisor => ExportedSupervisorManager { manager_agent_id }.into(),
            ManagerType::Dynamic => ExportedDynamicManager {
                manager_agent_id,
                termination_token: group.termination_token.clone(),
                max_turns: group.max_turns,
            }
            .into(),
            ManagerType::Sleeptime => ExportedSleeptimeManager {
                manager_agent_id,
                sleeptime_agent_frequency: group.sleeptime_agent_frequency,
            }
            .into(),
            ManagerType::VoiceSleeptime => ExportedVoiceSleeptimeManager {
                manager_agent_id,
                max_message_buffer_length: group.max_message_buffer_length,
                min_message_buffer_length: group.min_message_buffer_length,
            }
            .into(),
            _ => ExportedManagerConfig::from(RoundRobinManager { max_turns: group.max_turns }),
        };
        ExportedGroup {
            agent_ids: self.agents.all(&group.agent_ids),
            description: group.description.clone(),
            manager_config,
            project_id: None,
            shared_block_ids: self.blocks.all(&group.shared_block_ids),
            hidden: group.hidden,
            id: self.groups.get(group.id).unwrap_or_default(),
        }
    }
}

/// Stored settings as a request that makes them again.
fn settings(stored: &CompactionSettings) -> CompactionSettingsInput {
    let stored = stored.clone();
    CompactionSettingsInput {
        model: stored.model.map_or(Patch::Null, Patch::Value),
        model_settings: stored.model_settings.map_or(Patch::Null, Patch::Value),
        prompt: stored.prompt.map_or(Patch::Null, Patch::Value),
        prompt_acknowledgement: Some(stored.prompt_acknowledgement),
        clip_chars: stored.clip_chars.map_or(Patch::Null, Patch::Value),
        mode: Some(stored.mode),
        sliding_window_percentage: Some(stored.sliding_window_percentage),
    }
}
