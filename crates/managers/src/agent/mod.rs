//! Agents: made, found, changed, deleted, and what is attached to them.

pub(crate) mod check;
mod companion;
mod context;
mod create;
pub mod defaults;
mod initial;
pub mod name;
mod overview;
mod state;
mod update;

pub(crate) use create::{Plan, existing_blocks};
pub(crate) use initial::spoken;
pub use state::Include;
pub(crate) use state::load as load_states;

use crate::{
    Actor, Services,
    error::{Error, Result},
    group,
    orm::{
        self, Conn, Page,
        agents::{AgentFilter, AgentRow, AgentSort},
    },
    schema::{AgentId, AgentState, ArchiveId, BlockId, OrganizationId},
};

/// What is done with agents.
#[derive(Debug, Clone, Copy)]
pub struct AgentManager<'a>(&'a Services);

impl Services {
    /// What is done with agents.
    pub fn agents(&self) -> AgentManager<'_> {
        AgentManager(self)
    }
}

impl AgentManager<'_> {
    /// One agent, hidden or not.
    ///
    /// # Errors
    /// 404.
    pub async fn get(&self, actor: &Actor, id: AgentId, include: Include) -> Result<AgentState> {
        let organization = actor.organization_id;
        let cipher = self.0.cipher().clone();
        let read = move |conn: &mut Conn| {
            let row = find(conn, organization, id)?;
            one_state(id, load_states(conn, organization, &cipher, vec![row], include)?)
        };
        self.0.db().read(read).await
    }

    /// A page of the agents that match. Hidden ones are left out unless the filter asks for them.
    ///
    /// # Errors
    /// 404 for a cursor that names no agent.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: AgentFilter,
        sort: AgentSort,
        page: Page,
        include: Include,
    ) -> Result<Vec<AgentState>> {
        let organization = actor.organization_id;
        let cipher = self.0.cipher().clone();
        let read = move |conn: &mut Conn| {
            let rows = orm::agents::list(conn, organization, &filter, sort, &page)?;
            load_states(conn, organization, &cipher, rows, include)
        };
        self.0.db().read(read).await
    }

    /// A page of the agents that have this block, hidden ones included, sorted by their age.
    ///
    /// # Errors
    /// 404 for an unknown block, and for a cursor that names no agent.
    pub async fn list_of_block(
        &self,
        actor: &Actor,
        block: BlockId,
        page: Page,
        include: Include,
    ) -> Result<Vec<AgentState>> {
        let organization = actor.organization_id;
        let cipher = self.0.cipher().clone();
        let read = move |conn: &mut Conn| {
            if orm::blocks::get(conn, organization, block)?.is_none() {
                return Err(Error::NotFound(format!("Block with id '{block}' not found")));
            }
            let rows = orm::agents::of_block(conn, organization, block, true, &page)?;
            load_states(conn, organization, &cipher, rows, include)
        };
        self.0.db().read(read).await
    }

    /// A page of the agents that have this archive, hidden ones included, sorted by their age.
    ///
    /// # Errors
    /// 404 for an unknown archive, and for a cursor that names no agent.
    pub async fn list_of_archive(
        &self,
        actor: &Actor,
        archive: ArchiveId,
        page: Page,
        include: Include,
    ) -> Result<Vec<AgentState>> {
        self.0.archives().get(actor, archive).await?;
        let filter = AgentFilter { archive_id: Some(archive), show_hidden: true, ..AgentFilter::default() };
        self.list(actor, filter, AgentSort::CreatedAt, page, include).await
    }

    /// How many agents match.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, actor: &Actor, filter: AgentFilter) -> Result<i64> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| Ok(orm::agents::count(conn, organization, &filter)?)).await
    }

    /// The agent's row, without what is attached.
    ///
    /// # Errors
    /// 404.
    pub async fn row(&self, actor: &Actor, id: AgentId) -> Result<AgentRow> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| find(conn, organization, id)).await
    }

    /// Attaches a block; one that is attached already stays where it is.
    ///
    /// # Errors
    /// 404 for the agent or the block, 409 when another block of the agent has the label.
    pub async fn attach_block(&self, actor: &Actor, id: AgentId, block: BlockId) -> Result<AgentState> {
        self.0.blocks().attach(actor, id, block).await.map_err(|error| match error {
            // Clients know the agent as what the label must be unique in.
            Error::Unique(_) => Error::Unique("Agent"),
            error => error,
        })?;
        self.get(actor, id, Include::ALL).await
    }

    /// Takes a block off the agent. The block lives on.
    ///
    /// # Errors
    /// 404 for the agent, or a block that it does not have.
    pub async fn detach_block(&self, actor: &Actor, id: AgentId, block: BlockId) -> Result<AgentState> {
        self.0.blocks().detach(actor, id, block).await?;
        self.get(actor, id, Include::ALL).await
    }

    /// Deletes an agent with its messages, runs, tags and secrets, and with the companions that tend its memory. Its
    /// blocks and tools stay.
    ///
    /// # Errors
    /// 404; 409 while it manages a group of other agents.
    pub async fn delete(&self, actor: &Actor, id: AgentId) -> Result<()> {
        let actor = *actor;
        self.0.db().write(move |conn| group::delete_with_companions(conn, &actor, id)).await
    }
}

fn missing(id: AgentId) -> Error {
    Error::missing("Agent", id)
}

fn find(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<AgentRow> {
    orm::agents::get(conn, organization, id)?.ok_or_else(|| missing(id))
}

pub(crate) fn missing_block(id: BlockId) -> Error {
    Error::NotFound(format!("Block with id '{id}' not found"))
}

/// The agents with these ids, in their order; each once.
///
/// # Errors
/// 404 that names the first one that does not exist.
pub(crate) fn existing_agents(conn: &mut Conn, organization: OrganizationId, ids: &[AgentId]) -> Result<Vec<AgentRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    check::list("agent_ids", ids)?;
    let mut rows = orm::agents::get_many(conn, organization, ids)?;
    let places: std::collections::HashMap<AgentId, usize> = ids.iter().copied().zip(0..).collect();
    rows.sort_by_key(|row| places.get(&row.id).copied());
    let found: std::collections::HashSet<AgentId> = rows.iter().map(|row| row.id).collect();
    ids.iter().find(|id| !found.contains(id)).map_or(Ok(rows), |id| Err(missing(*id)))
}

/// The agent's row, kept from others until the transaction ends.
fn lock(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<AgentRow> {
    orm::agents::lock(conn, organization, id)?.ok_or_else(|| missing(id))
}

/// The one agent that was loaded.
pub(crate) fn one_state(id: AgentId, mut states: Vec<AgentState>) -> Result<AgentState> {
    states.pop().ok_or_else(|| missing(id))
}
