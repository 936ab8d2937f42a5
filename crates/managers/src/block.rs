//! Memory blocks: made, changed, shared among agents, and shown in their prompts.

mod change;
mod edits;

pub use crate::orm::blocks::BlockFilter;
pub(crate) use edits::edit_memory;

pub(crate) use change::without_nul;
use change::{Change, updated};

use crate::{
    Actor, Services,
    agent::check,
    error::{Error, Result},
    group,
    orm::{self, Conn, Db, Page, agents, blocks},
    prompt,
    schema::{AgentId, Block, BlockId, BlockUpdate, CreateBlock, OrganizationId},
};

/// What is done with memory blocks.
///
/// Whatever changes what an agent is shown also renders its system message anew, for every agent that has the
/// block, in the same transaction.
#[derive(Debug, Clone)]
pub struct BlockManager {
    db: Db,
}

impl Services {
    /// What is done with memory blocks.
    pub fn blocks(&self) -> BlockManager {
        BlockManager::new(self.db().clone())
    }
}

impl BlockManager {
    /// A manager of the blocks in this database.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Makes a block, attached to nothing yet.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn create(&self, actor: &Actor, block: CreateBlock) -> Result<Block> {
        let actor = *actor;
        self.db.write(move |conn| create(conn, &actor, block)).await
    }

    /// One block.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn get(&self, actor: &Actor, id: BlockId) -> Result<Block> {
        let organization = actor.organization_id;
        self.db.read(move |conn| get(conn, organization, id)).await
    }

    /// A page of the blocks that match.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a cursor that names no block.
    pub async fn list(&self, actor: &Actor, filter: BlockFilter, page: Page) -> Result<Vec<Block>> {
        let organization = actor.organization_id;
        self.db.read(move |conn| Ok(blocks::list(conn, organization, &filter, &page)?)).await
    }

    /// How many blocks match; without a filter how many there are, hidden ones and templates included.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn count(&self, actor: &Actor, filter: Option<BlockFilter>) -> Result<i64> {
        let organization = actor.organization_id;
        let filter = filter.unwrap_or_else(|| BlockFilter { show_hidden: true, ..BlockFilter::default() });
        self.db.read(move |conn| Ok(blocks::count(conn, organization, &filter)?)).await
    }

    /// Changes a block. What equals the stored value is no change; null changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Unique`] for a label that another block of one of its agents has;
    /// [`Error::Conflict`] when somebody else changed it at the same time.
    pub async fn update(&self, actor: &Actor, id: BlockId, change: BlockUpdate) -> Result<Block> {
        let actor = *actor;
        self.db.write(move |conn| update(conn, &actor, id, change)).await
    }

    /// Deletes a block, also from the agents that have it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn delete(&self, actor: &Actor, id: BlockId) -> Result<()> {
        let organization = actor.organization_id;
        self.db
            .write(move |conn| {
                let agents = delete(conn, organization, id)?.ok_or_else(|| missing(id))?;
                Ok(prompt::rebuild(conn, organization, &agents)?)
            })
            .await
    }

    /// The blocks of an agent.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an agent that does not exist, or a cursor that names no block.
    pub async fn list_of_agent(&self, actor: &Actor, agent: AgentId, page: Page) -> Result<Vec<Block>> {
        let organization = actor.organization_id;
        self.db
            .read(move |conn| {
                agent_exists(conn, organization, agent)?;
                Ok(blocks::list_attached(conn, organization, agent, &page)?)
            })
            .await
    }

    /// The block that an agent has under this label.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn get_by_label(&self, actor: &Actor, agent: AgentId, label: &str) -> Result<Block> {
        let (organization, label) = (actor.organization_id, label.to_owned());
        self.db.read(move |conn| get_by_label(conn, organization, agent, &label)).await
    }

    /// Changes the block that an agent has under this label, for all agents that share it, as
    /// [`BlockManager::update`] does.
    ///
    /// # Errors
    ///
    /// Those of [`BlockManager::update`].
    pub async fn update_by_label(
        &self,
        actor: &Actor,
        agent: AgentId,
        label: &str,
        change: BlockUpdate,
    ) -> Result<Block> {
        let (actor, label) = (*actor, label.to_owned());
        self.db
            .write(move |conn| {
                let block = get_by_label(conn, actor.organization_id, agent, &label)?;
                update(conn, &actor, block.id, change)
            })
            .await
    }

    /// Attaches a block to an agent and the companions that tend its memory; one that it has already stays where it is.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for the agent or the block, [`Error::Unique`] when the agent has another block of that
    /// label.
    pub async fn attach(&self, actor: &Actor, agent: AgentId, block: BlockId) -> Result<()> {
        let organization = actor.organization_id;
        self.db
            .write(move |conn| {
                agent_exists(conn, organization, agent)?;
                let block = get(conn, organization, block)?;
                blocks::attach(conn, agent, &[&block]).map_err(taken)?;
                let mut shown_to = group::attach_to_companions(conn, agent, &[&block])?;
                shown_to.push(agent);
                Ok(prompt::rebuild(conn, organization, &shown_to)?)
            })
            .await
    }

    /// Takes a block off an agent and the companions that tend its memory. The block lives on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for the agent, or a block that it does not have.
    pub async fn detach(&self, actor: &Actor, agent: AgentId, block: BlockId) -> Result<()> {
        let actor = *actor;
        self.db
            .write(move |conn| {
                let organization = actor.organization_id;
                agent_exists(conn, organization, agent)?;
                if !blocks::detach(conn, agent, block)? {
                    return Err(Error::NotFound(format!(
                        "No block with id '{block}' found for agent '{agent}' with actor id: '{}'",
                        actor.user_id
                    )));
                }
                let mut shown_to = group::detach_from_companions(conn, agent, block)?;
                shown_to.push(agent);
                Ok(prompt::rebuild(conn, organization, &shown_to)?)
            })
            .await
    }
}

/// What the model reads about a block of this label when nobody has said what it is for.
#[must_use]
pub fn default_description(label: &str) -> Option<&'static str> {
    match label.strip_prefix("system/").unwrap_or(label) {
        "persona" => Some(
            "Who you are: your character, your way of speaking and what you care about. Act by it in every answer, so \
             that you stay the same from one conversation to the next.",
        ),
        "human" => Some(
            "What you know about the person you talk to: name, circumstances, likes and plans. Let it make your answers \
             personal, and keep it up to date as you learn more.",
        ),
        _ => None,
    }
}

/// Makes a block within a transaction, with the description that its label stands for when none is given.
///
/// # Errors
///
/// Those of the database.
pub fn create(conn: &mut Conn, actor: &Actor, block: CreateBlock) -> Result<Block> {
    let text = |text: Option<String>| text.map(without_nul);
    let label = without_nul(block.label);
    let description = text(block.description).or_else(|| default_description(&label).map(str::to_owned));
    let mut tags = Vec::new();
    for tag in block.tags.unwrap_or_default().into_iter().map(without_nul) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let block = Block {
        id: BlockId::random(),
        value: without_nul(block.value),
        limit: block.limit,
        project_id: text(block.project_id),
        template_name: text(block.template_name),
        is_template: block.is_template,
        template_id: text(block.template_id),
        base_template_id: text(block.base_template_id),
        deployment_id: text(block.deployment_id),
        entity_id: text(block.entity_id),
        preserve_on_migration: block.preserve_on_migration,
        label,
        read_only: block.read_only,
        description,
        metadata: block.metadata,
        hidden: block.hidden,
        created_by_id: Some(actor.user_id),
        last_updated_by_id: Some(actor.user_id),
        tags,
    };
    check_lengths(&block)?;
    blocks::insert(conn, actor, &block)?;
    Ok(block)
}

/// Refuses texts that are too long to be looked up by an index.
fn check_lengths(block: &Block) -> Result<()> {
    let looked_up = [
        ("label", Some(&block.label)),
        ("project_id", block.project_id.as_ref()),
        ("template_name", block.template_name.as_ref()),
        ("template_id", block.template_id.as_ref()),
        ("base_template_id", block.base_template_id.as_ref()),
        ("deployment_id", block.deployment_id.as_ref()),
        ("entity_id", block.entity_id.as_ref()),
    ];
    check::keys(looked_up)?;
    check::tags(Some(&block.tags))
}

/// Deletes a block within a transaction and returns the agents that had it, whose prompts still show it; nothing when
/// there is no such block.
pub(crate) fn delete(conn: &mut Conn, organization: OrganizationId, id: BlockId) -> Result<Option<Vec<AgentId>>> {
    if blocks::lock(conn, organization, id)?.is_none() {
        return Ok(None);
    }
    let agents = blocks::agents_of(conn, id)?;
    blocks::delete(conn, organization, id)?;
    Ok(Some(agents))
}

/// Changes a block and renders the prompts that show what has changed.
fn update(conn: &mut Conn, actor: &Actor, id: BlockId, change: BlockUpdate) -> Result<Block> {
    let mut agents = Vec::new();
    let block = write(conn, actor, id, |stored| updated(stored, change), &mut agents)?;
    prompt::rebuild(conn, actor.organization_id, &agents)?;
    Ok(block)
}

/// Makes of the stored block what `wanted` makes of it, if that differs, and notes the agents whose prompts show
/// what does.
fn write(
    conn: &mut Conn,
    actor: &Actor,
    id: BlockId,
    wanted: impl FnOnce(&Block) -> Block,
    agents: &mut Vec<AgentId>,
) -> Result<Block> {
    let stored = blocks::lock(conn, actor.organization_id, id)?.ok_or_else(|| missing(id))?;
    let Change { mut block, row, tags, shown } = Change::between(&stored.block, wanted(&stored.block));
    check_lengths(&block)?;
    if row {
        block.last_updated_by_id = Some(actor.user_id);
        blocks::update(conn, actor, &block, stored.version).map_err(taken)?;
    }
    if tags {
        blocks::set_tags(conn, actor, id, &block.tags)?;
    }
    if shown {
        agents.extend(blocks::agents_of(conn, id)?);
    }
    Ok(block)
}

/// Labels are unique among the blocks of an agent, so it is the agent that a second block of a label breaks.
fn taken(error: orm::Error) -> Error {
    match error {
        orm::Error::Unique { .. } => Error::Unique("Agent"),
        error => error.into(),
    }
}

fn missing(id: BlockId) -> Error {
    Error::NotFound(format!("Block with id '{id}' not found"))
}

fn get(conn: &mut Conn, organization: OrganizationId, id: BlockId) -> Result<Block> {
    blocks::get(conn, organization, id)?.ok_or_else(|| missing(id))
}

fn get_by_label(conn: &mut Conn, organization: OrganizationId, agent: AgentId, label: &str) -> Result<Block> {
    agent_exists(conn, organization, agent)?;
    blocks::by_label(conn, organization, agent, label)?
        .ok_or_else(|| Error::NotFound(format!("No block with label '{label}' found for agent '{agent}'")))
}

fn agent_exists(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<()> {
    if agents::is_there(conn, organization, agent)? { Ok(()) } else { Err(Error::missing("Agent", agent)) }
}
