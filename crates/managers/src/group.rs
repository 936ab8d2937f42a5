//! Groups: agents that work together, and the background agents that tend the memory of one.

mod companion;

use std::collections::{BTreeSet, HashSet};

use companion::BufferLengths;
pub(crate) use companion::{attach_to_companions, delete_with_companions, detach_from_companions};

use crate::{
    Actor, MessageQuery, Services,
    agent::{check as rules, existing_agents, existing_blocks},
    error::{Error, Result},
    orm::{self, Conn, Page, blocks, groups},
    prompt,
    schema::{
        AgentId, BlockId, Group, GroupCreate, GroupId, GroupUpdate, InternalTemplateGroupCreate, ManagerConfig,
        ManagerConfigUpdate, ManagerType, OrganizationId, Patch, WireMessage,
    },
};

pub use crate::orm::groups::GroupFilter;

/// What is done with groups.
#[derive(Debug, Clone, Copy)]
pub struct GroupManager<'a>(&'a Services);

impl Services {
    /// What is done with groups.
    pub fn groups(&self) -> GroupManager<'_> {
        GroupManager(self)
    }
}

impl GroupManager<'_> {
    /// Makes a group of agents that exist. Its shared blocks are attached to all of them.
    ///
    /// # Errors
    /// 400 for agents that are named twice, and for lengths that do not fit together; 404 for agents and blocks that
    /// do not exist; 409 for a block whose label another block of an agent has.
    pub async fn create(&self, actor: &Actor, request: GroupCreate) -> Result<Group> {
        let actor = *actor;
        self.0.db().write(move |conn| create(conn, &actor, request)).await
    }

    /// One group.
    ///
    /// # Errors
    /// 404.
    pub async fn get(&self, actor: &Actor, id: GroupId) -> Result<Group> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| get(conn, organization, id)).await
    }

    /// A page of the groups that match.
    ///
    /// # Errors
    /// 404 for a cursor that names no group.
    pub async fn list(&self, actor: &Actor, filter: GroupFilter, page: Page) -> Result<Vec<Group>> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| Ok(groups::list(conn, organization, &filter, &page)?)).await
    }

    /// A page of the groups that an agent is a member of, hidden ones included. Those that it manages are not among
    /// them.
    ///
    /// # Errors
    /// 404 for the agent, and for a cursor that names no group.
    pub async fn list_of_agent(
        &self,
        actor: &Actor,
        agent: AgentId,
        manager_type: Option<ManagerType>,
        page: Page,
    ) -> Result<Vec<Group>> {
        let organization = actor.organization_id;
        let filter = GroupFilter { manager_type, member: Some(agent), show_hidden: true, ..GroupFilter::default() };
        let read = move |conn: &mut Conn| {
            if !orm::agents::is_there(conn, organization, agent)? {
                return Err(Error::missing("Agent", agent));
            }
            Ok(groups::list(conn, organization, &filter, &page)?)
        };
        self.0.db().read(read).await
    }

    /// How many groups there are, hidden ones included.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, actor: &Actor) -> Result<i64> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| Ok(groups::count(conn, organization)?)).await
    }

    /// Changes a group. Null and absent fields change nothing; its agents and shared blocks are replaced whole.
    ///
    /// # Errors
    /// 400 for another manager type, else as for [`GroupManager::create`].
    pub async fn update(&self, actor: &Actor, id: GroupId, change: GroupUpdate) -> Result<Group> {
        let actor = *actor;
        self.0.db().write(move |conn| update(conn, &actor, id, change)).await
    }

    /// Deletes a group. Its agents, blocks and messages stay.
    ///
    /// # Errors
    /// 404.
    pub async fn delete(&self, actor: &Actor, id: GroupId) -> Result<()> {
        let organization = actor.organization_id;
        let deleted = self.0.db().write(move |conn| groups::delete(conn, organization, id)).await?;
        if deleted { Ok(()) } else { Err(missing(id)) }
    }

    /// A page of a group's messages, from old to new: of its managing agent those that belong to the group, or
    /// without one those of all its agents.
    ///
    /// # Errors
    /// 404 for the group or the cursor.
    pub async fn messages(&self, actor: &Actor, id: GroupId, query: MessageQuery) -> Result<Vec<WireMessage>> {
        let group = self.get(actor, id).await?;
        let query = MessageQuery { group_id: Some(id.to_string()), ..query };
        match group.manager_agent_id {
            Some(manager) => self.0.messages().list_of_agent(actor, manager, query).await,
            None => self.0.messages().list(actor, query).await,
        }
    }

    /// Deletes all messages of a group, and takes them out of the contexts of its agents.
    ///
    /// # Errors
    /// 404.
    pub async fn reset_messages(&self, actor: &Actor, id: GroupId) -> Result<()> {
        let actor = *actor;
        let reset = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            get(conn, organization, id)?;
            for (agent, gone) in orm::messages::delete_of_group(conn, organization, id)? {
                let Some(row) = orm::agents::lock(conn, organization, agent)? else { continue };
                let kept: Vec<_> = row.message_ids.iter().copied().filter(|id| !gone.contains(id)).collect();
                if kept.len() < row.message_ids.len() {
                    orm::agents::set_message_ids(conn, &actor, agent, &kept)?;
                }
            }
            Ok(())
        };
        self.0.db().write(reset).await
    }

    /// Attaches a block to a group and all its agents; where it is attached already it stays.
    ///
    /// # Errors
    /// 404 for the group or the block, 409 when another block of an agent has its label.
    pub async fn attach_block(&self, actor: &Actor, id: GroupId, block: BlockId) -> Result<()> {
        let organization = actor.organization_id;
        let attach = move |conn: &mut Conn| {
            let group = lock(conn, organization, id)?;
            attach_blocks(conn, organization, &group, &[block])
        };
        self.0.db().write(attach).await
    }

    /// Takes a block off a group and all its agents; one that it does not have is no error.
    ///
    /// # Errors
    /// 404 for the group or the block.
    pub async fn detach_block(&self, actor: &Actor, id: GroupId, block: BlockId) -> Result<()> {
        let organization = actor.organization_id;
        let detach = move |conn: &mut Conn| {
            let group = lock(conn, organization, id)?;
            existing_blocks(conn, organization, &[block])?;
            detach_blocks(conn, organization, &group, &[block])
        };
        self.0.db().write(detach).await
    }
}

fn missing(id: GroupId) -> Error {
    Error::missing("Group", id)
}

fn get(conn: &mut Conn, organization: OrganizationId, id: GroupId) -> Result<Group> {
    groups::get(conn, organization, id)?.ok_or_else(|| missing(id))
}

fn lock(conn: &mut Conn, organization: OrganizationId, id: GroupId) -> Result<Group> {
    groups::lock(conn, organization, id)?.ok_or_else(|| missing(id))
}

/// A group of this kind, with nothing else said.
fn empty(manager_type: ManagerType) -> Group {
    Group {
        id: GroupId::random(),
        manager_type,
        agent_ids: Vec::new(),
        description: String::new(),
        project_id: None,
        template_id: None,
        base_template_id: None,
        deployment_id: None,
        shared_block_ids: Vec::new(),
        manager_agent_id: None,
        termination_token: None,
        max_turns: None,
        sleeptime_agent_frequency: None,
        turns_counter: None,
        last_processed_message_id: None,
        max_message_buffer_length: None,
        min_message_buffer_length: None,
        hidden: None,
    }
}

/// Makes a group within a transaction.
pub(crate) fn create(conn: &mut Conn, actor: &Actor, mut request: GroupCreate) -> Result<Group> {
    let shared_blocks = std::mem::take(&mut request.shared_block_ids);
    store(conn, actor, planned(request), &shared_blocks)
}

/// [`create`] for a group of the deployment of a template.
pub(crate) fn deploy(conn: &mut Conn, actor: &Actor, request: InternalTemplateGroupCreate) -> Result<Group> {
    let InternalTemplateGroupCreate { mut group, base_template_id, template_id, deployment_id } = request;
    let shared_blocks = std::mem::take(&mut group.shared_block_ids);
    let group = Group {
        template_id: Some(template_id),
        base_template_id: Some(base_template_id),
        deployment_id: Some(deployment_id),
        ..planned(group)
    };
    store(conn, actor, group, &shared_blocks)
}

/// The group that is asked for, without the blocks that it shares.
fn planned(request: GroupCreate) -> Group {
    let mut group = match request.manager_config {
        ManagerConfig::RoundRobin(config) => Group { max_turns: config.max_turns, ..empty(ManagerType::RoundRobin) },
        ManagerConfig::Supervisor(config) => {
            Group { manager_agent_id: Some(config.manager_agent_id), ..empty(ManagerType::Supervisor) }
        }
        ManagerConfig::Dynamic(config) => Group {
            manager_agent_id: Some(config.manager_agent_id),
            termination_token: config.termination_token,
            max_turns: config.max_turns,
            ..empty(ManagerType::Dynamic)
        },
        ManagerConfig::Sleeptime(config) => Group {
            manager_agent_id: Some(config.manager_agent_id),
            sleeptime_agent_frequency: config.sleeptime_agent_frequency,
            ..empty(ManagerType::Sleeptime)
        },
        ManagerConfig::VoiceSleeptime(config) => Group {
            manager_agent_id: Some(config.manager_agent_id),
            max_message_buffer_length: config.max_message_buffer_length,
            min_message_buffer_length: config.min_message_buffer_length,
            ..empty(ManagerType::VoiceSleeptime)
        },
    };
    group.agent_ids = request.agent_ids;
    group.description = request.description;
    group.project_id = request.project_id;
    group.hidden = request.hidden;
    start_counter(&mut group);
    group
}

fn store(conn: &mut Conn, actor: &Actor, group: Group, shared_blocks: &[BlockId]) -> Result<Group> {
    check(conn, actor.organization_id, &group)?;
    groups::insert(conn, actor, &group)?;
    attach_blocks(conn, actor.organization_id, &group, shared_blocks)?;
    get(conn, actor.organization_id, group.id)
}

fn update(conn: &mut Conn, actor: &Actor, id: GroupId, change: GroupUpdate) -> Result<Group> {
    let organization = actor.organization_id;
    let before = lock(conn, organization, id)?;
    let mut group = before.clone();
    if let Some(description) = change.description.value() {
        group.description = description;
    }
    if let Some(project) = change.project_id.value() {
        group.project_id = Some(project);
    }
    if let Some(agents) = change.agent_ids.value() {
        group.agent_ids = agents;
    }
    if let Some(config) = change.manager_config.value() {
        configure(&mut group, config)?;
    }
    start_counter(&mut group);
    check(conn, organization, &group)?;
    groups::update(conn, actor, &group)?;
    if group.agent_ids != before.agent_ids {
        groups::members::replace(conn, id, &group.agent_ids)?;
        // Newcomers share what the others do.
        attach_blocks(conn, organization, &group, &before.shared_block_ids)?;
    }
    if let Some(wanted) = change.shared_block_ids.value() {
        let gone: Vec<BlockId> =
            before.shared_block_ids.iter().copied().filter(|block| !wanted.contains(block)).collect();
        detach_blocks(conn, organization, &group, &gone)?;
        attach_blocks(conn, organization, &group, &wanted)?;
    }
    get(conn, organization, id)
}

/// Changes how the agents take turns, within what the group is.
fn configure(group: &mut Group, config: ManagerConfigUpdate) -> Result<()> {
    fn set<T>(field: &mut Option<T>, patch: Patch<T>) {
        if let Some(value) = patch.value() {
            *field = Some(value);
        }
    }
    let wanted = match &config {
        ManagerConfigUpdate::RoundRobin(_) => ManagerType::RoundRobin,
        ManagerConfigUpdate::Supervisor(_) => ManagerType::Supervisor,
        ManagerConfigUpdate::Dynamic(_) => ManagerType::Dynamic,
        ManagerConfigUpdate::Sleeptime(_) => ManagerType::Sleeptime,
        ManagerConfigUpdate::VoiceSleeptime(_) => ManagerType::VoiceSleeptime,
    };
    if wanted != group.manager_type {
        return Err(Error::BadRequest("Cannot change group pattern after creation".to_owned()));
    }
    match config {
        ManagerConfigUpdate::RoundRobin(config) => set(&mut group.max_turns, config.max_turns),
        ManagerConfigUpdate::Supervisor(config) => set(&mut group.manager_agent_id, config.manager_agent_id),
        ManagerConfigUpdate::Dynamic(config) => {
            set(&mut group.manager_agent_id, config.manager_agent_id);
            set(&mut group.termination_token, config.termination_token);
            set(&mut group.max_turns, config.max_turns);
        }
        ManagerConfigUpdate::Sleeptime(config) => {
            set(&mut group.manager_agent_id, config.manager_agent_id);
            set(&mut group.sleeptime_agent_frequency, config.sleeptime_agent_frequency);
        }
        ManagerConfigUpdate::VoiceSleeptime(config) => {
            set(&mut group.manager_agent_id, config.manager_agent_id);
            set(&mut group.max_message_buffer_length, config.max_message_buffer_length);
            set(&mut group.min_message_buffer_length, config.min_message_buffer_length);
        }
    }
    Ok(())
}

/// Where turns are counted, the first one is the one at which the background agents run.
fn start_counter(group: &mut Group) {
    if group.sleeptime_agent_frequency.is_some() {
        group.turns_counter.get_or_insert(-1);
    }
}

/// Checks a group before it is written.
fn check(conn: &mut Conn, organization: OrganizationId, group: &Group) -> Result<()> {
    if let Some(project) = &group.project_id {
        rules::key("project_id", project)?;
    }
    if group.manager_type == ManagerType::VoiceSleeptime {
        BufferLengths::check(group.max_message_buffer_length, group.min_message_buffer_length)?;
    }
    let mut seen = HashSet::new();
    if let Some(twice) = group.agent_ids.iter().find(|id| !seen.insert(**id)) {
        return Err(Error::BadRequest(format!("The agent {twice} is named twice in agent_ids. Name it once.")));
    }
    let members = existing_agents(conn, organization, &group.agent_ids)?;
    if let Some(manager) = group.manager_agent_id {
        existing_agents(conn, organization, &[manager])?;
    }
    if group.manager_type == ManagerType::Dynamic {
        let mut names = HashSet::new();
        if let Some(twice) = members.iter().find(|agent| !names.insert(agent.name.as_str())) {
            return Err(Error::BadRequest(format!(
                "Two agents of the group have the name '{}'. Its manager chooses them by their names: rename one.",
                twice.name
            )));
        }
    }
    Ok(())
}

/// The members of a group and its manager, in the order of their ids.
fn everybody(group: &Group) -> BTreeSet<AgentId> {
    group.agent_ids.iter().copied().chain(group.manager_agent_id).collect()
}

fn attach_blocks(conn: &mut Conn, organization: OrganizationId, group: &Group, ids: &[BlockId]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = existing_blocks(conn, organization, ids)?;
    let found: Vec<_> = found.iter().collect();
    groups::blocks::attach(conn, group.id, ids)?;
    let agents: Vec<AgentId> = everybody(group).into_iter().collect();
    for agent in &agents {
        blocks::attach(conn, *agent, &found)?;
    }
    Ok(prompt::rebuild(conn, organization, &agents)?)
}

fn detach_blocks(conn: &mut Conn, organization: OrganizationId, group: &Group, ids: &[BlockId]) -> Result<()> {
    let agents: Vec<AgentId> = everybody(group).into_iter().collect();
    for block in ids {
        // What an agent has for itself stays with it.
        if !groups::blocks::detach(conn, group.id, *block)? {
            continue;
        }
        for agent in &agents {
            blocks::detach(conn, *agent, *block)?;
        }
    }
    Ok(prompt::rebuild(conn, organization, &agents)?)
}
