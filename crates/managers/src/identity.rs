//! Identities: the people and organizations that agents work for and blocks are about.

use std::collections::HashSet;

use crate::{
    Actor, Services,
    agent::{self, Include, check, existing_agents, existing_blocks},
    error::{Error, Result},
    orm::{
        Conn, Page,
        agents::{AgentFilter, AgentSort},
        blocks::BlockFilter,
        identities,
    },
    schema::{
        AgentId, AgentState, Block, BlockId, Identity, IdentityCreate, IdentityId, IdentityProperty, IdentityUpdate,
        IdentityUpsert, OrganizationId,
    },
};

pub use crate::orm::identities::IdentityFilter;

/// What is done with identities.
#[derive(Debug, Clone, Copy)]
pub struct IdentityManager<'a>(&'a Services);

impl Services {
    /// What is done with identities.
    pub fn identities(&self) -> IdentityManager<'_> {
        IdentityManager(self)
    }
}

impl IdentityManager<'_> {
    /// Makes an identity.
    ///
    /// # Errors
    /// 404 for agents and blocks that do not exist, 409 when another one of the project has the key.
    pub async fn create(&self, actor: &Actor, request: IdentityCreate) -> Result<Identity> {
        let IdentityCreate { identifier_key, name, identity_type, project_id, agent_ids, block_ids, properties } =
            request;
        let identity = Identity {
            id: IdentityId::random(),
            identifier_key,
            name,
            identity_type,
            project_id,
            agent_ids: distinct(agent_ids.unwrap_or_default()),
            block_ids: distinct(block_ids.unwrap_or_default()),
            properties: last_of_each_key(properties.unwrap_or_default()),
        };
        check_keys(&identity)?;
        let actor = *actor;
        self.0.db().write(move |conn| insert(conn, &actor, identity)).await
    }

    /// Makes an identity, or replaces the one of the project that has the key: its name and type, and of its
    /// properties, agents and blocks those that are given.
    ///
    /// # Errors
    /// 404 for agents and blocks that do not exist.
    pub async fn upsert(&self, actor: &Actor, request: IdentityUpsert) -> Result<Identity> {
        let actor = *actor;
        let attempt = |request: IdentityUpsert| self.0.db().write(move |conn| upsert(conn, &actor, request));
        match attempt(request.clone()).await {
            // Somebody else made it in the meantime, so that it is there now.
            Err(Error::Unique(_)) => attempt(request).await,
            done => done,
        }
    }

    /// One identity.
    ///
    /// # Errors
    /// 404.
    pub async fn get(&self, actor: &Actor, id: IdentityId) -> Result<Identity> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| get(conn, organization, id)).await
    }

    /// A page of the identities that match.
    ///
    /// # Errors
    /// 404 for a cursor that names no identity.
    pub async fn list(&self, actor: &Actor, filter: IdentityFilter, page: Page) -> Result<Vec<Identity>> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| Ok(identities::list(conn, organization, &filter, &page)?)).await
    }

    /// How many identities there are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, actor: &Actor) -> Result<i64> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| Ok(identities::count(conn, organization)?)).await
    }

    /// Changes an identity. Null and absent fields change nothing; properties replace those with the same key and
    /// leave the others; agents and blocks are added.
    ///
    /// # Errors
    /// 404 for the identity, and for agents and blocks that do not exist; 409 when another one of the project has the
    /// key.
    pub async fn update(&self, actor: &Actor, id: IdentityId, change: IdentityUpdate) -> Result<Identity> {
        let actor = *actor;
        let update = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            let mut identity = lock(conn, organization, id)?;
            let agents = distinct(change.agent_ids.value().unwrap_or_default());
            let blocks = distinct(change.block_ids.value().unwrap_or_default());
            if let Some(key) = change.identifier_key.value() {
                identity.identifier_key = key;
            }
            if let Some(name) = change.name.value() {
                identity.name = name;
            }
            if let Some(kind) = change.identity_type.value() {
                identity.identity_type = kind;
            }
            if let Some(properties) = change.properties.value() {
                identity.properties.extend(properties);
                identity.properties = last_of_each_key(identity.properties);
            }
            check_keys(&identity)?;
            existing_agents(conn, organization, &agents)?;
            existing_blocks(conn, organization, &blocks)?;
            identities::update(conn, &actor, &identity)?;
            identities::agents::attach(conn, id, &agents)?;
            identities::blocks::attach(conn, id, &blocks)?;
            get(conn, organization, id)
        };
        self.0.db().write(update).await
    }

    /// Makes these the properties of an identity.
    ///
    /// # Errors
    /// 404.
    pub async fn set_properties(
        &self,
        actor: &Actor,
        id: IdentityId,
        properties: Vec<IdentityProperty>,
    ) -> Result<Identity> {
        let actor = *actor;
        let set = move |conn: &mut Conn| {
            let mut identity = lock(conn, actor.organization_id, id)?;
            identity.properties = last_of_each_key(properties);
            identities::update(conn, &actor, &identity)?;
            get(conn, actor.organization_id, id)
        };
        self.0.db().write(set).await
    }

    /// Deletes an identity. Its agents and blocks stay.
    ///
    /// # Errors
    /// 404.
    pub async fn delete(&self, actor: &Actor, id: IdentityId) -> Result<()> {
        let organization = actor.organization_id;
        let deleted = self.0.db().write(move |conn| identities::delete(conn, organization, id)).await?;
        if deleted { Ok(()) } else { Err(missing(id)) }
    }

    /// A page of the agents of an identity, hidden ones included.
    ///
    /// # Errors
    /// 404 for the identity, and for a cursor that names no agent.
    pub async fn list_agents(
        &self,
        actor: &Actor,
        id: IdentityId,
        page: Page,
        include: Include,
    ) -> Result<Vec<AgentState>> {
        self.check_that_it_is_there(actor, id).await?;
        let filter = AgentFilter { identity_id: Some(id.to_string()), show_hidden: true, ..AgentFilter::default() };
        self.0.agents().list(actor, filter, AgentSort::CreatedAt, page, include).await
    }

    /// A page of the blocks of an identity, hidden ones included.
    ///
    /// # Errors
    /// 404 for the identity, and for a cursor that names no block.
    pub async fn list_blocks(&self, actor: &Actor, id: IdentityId, page: Page) -> Result<Vec<Block>> {
        self.check_that_it_is_there(actor, id).await?;
        let filter = BlockFilter { identity_id: Some(id), show_hidden: true, ..BlockFilter::default() };
        self.0.blocks().list(actor, filter, page).await
    }

    /// Attaches an identity to an agent; one that it has already stays where it is.
    ///
    /// # Errors
    /// 404 for the agent or the identity.
    pub async fn attach_to_agent(&self, actor: &Actor, agent: AgentId, id: IdentityId) -> Result<()> {
        self.with_agent(actor, agent, id, move |conn| Ok(identities::agents::attach(conn, id, &[agent])?)).await
    }

    /// Takes an identity off an agent; one that it does not have is no error.
    ///
    /// # Errors
    /// 404 for the agent or the identity.
    pub async fn detach_from_agent(&self, actor: &Actor, agent: AgentId, id: IdentityId) -> Result<()> {
        self.with_agent(actor, agent, id, move |conn| {
            identities::agents::detach(conn, id, agent)?;
            Ok(())
        })
        .await
    }

    /// Attaches an identity to a block; one that it has already stays where it is.
    ///
    /// # Errors
    /// 404 for the block or the identity.
    pub async fn attach_to_block(&self, actor: &Actor, block: BlockId, id: IdentityId) -> Result<Block> {
        self.with_block(actor, block, id, move |conn| Ok(identities::blocks::attach(conn, id, &[block])?)).await
    }

    /// Takes an identity off a block; one that it does not have is no error.
    ///
    /// # Errors
    /// 404 for the block or the identity.
    pub async fn detach_from_block(&self, actor: &Actor, block: BlockId, id: IdentityId) -> Result<Block> {
        self.with_block(actor, block, id, move |conn| {
            identities::blocks::detach(conn, id, block)?;
            Ok(())
        })
        .await
    }

    async fn check_that_it_is_there(&self, actor: &Actor, id: IdentityId) -> Result<()> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| is_there(conn, organization, id)).await
    }

    /// Does something with an agent and an identity that both exist.
    async fn with_agent(
        &self,
        actor: &Actor,
        agent: AgentId,
        id: IdentityId,
        work: impl FnOnce(&mut Conn) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let organization = actor.organization_id;
        let write = move |conn: &mut Conn| {
            existing_agents(conn, organization, &[agent])?;
            is_there(conn, organization, id)?;
            work(conn)
        };
        self.0.db().write(write).await
    }

    /// The same with a block, which is given back.
    async fn with_block(
        &self,
        actor: &Actor,
        block: BlockId,
        id: IdentityId,
        work: impl FnOnce(&mut Conn) -> Result<()> + Send + 'static,
    ) -> Result<Block> {
        let organization = actor.organization_id;
        let write = move |conn: &mut Conn| {
            let mut found = existing_blocks(conn, organization, &[block])?;
            is_there(conn, organization, id)?;
            work(conn)?;
            found.pop().ok_or_else(|| agent::missing_block(block))
        };
        self.0.db().write(write).await
    }
}

/// Makes sure that identities with these ids exist; returns them without repeats.
///
/// # Errors
/// 404 that names the first one that does not.
pub(crate) fn existing_identities(
    conn: &mut Conn,
    organization: OrganizationId,
    ids: &[IdentityId],
) -> Result<Vec<IdentityId>> {
    let ids = distinct(ids.to_vec());
    for id in &ids {
        is_there(conn, organization, *id)?;
    }
    Ok(ids)
}

fn missing(id: IdentityId) -> Error {
    Error::missing("Identity", id)
}

fn get(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<Identity> {
    identities::get(conn, organization, id)?.ok_or_else(|| missing(id))
}

fn lock(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<Identity> {
    identities::lock(conn, organization, id)?.ok_or_else(|| missing(id))
}

fn is_there(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<()> {
    if identities::is_there(conn, organization, id)? { Ok(()) } else { Err(missing(id)) }
}

fn insert(conn: &mut Conn, actor: &Actor, identity: Identity) -> Result<Identity> {
    existing_agents(conn, actor.organization_id, &identity.agent_ids)?;
    existing_blocks(conn, actor.organization_id, &identity.block_ids)?;
    identities::insert(conn, actor, &identity)?;
    get(conn, actor.organization_id, identity.id)
}

fn upsert(conn: &mut Conn, actor: &Actor, request: IdentityUpsert) -> Result<Identity> {
    let organization = actor.organization_id;
    let IdentityUpsert { identifier_key, name, identity_type, project_id, agent_ids, block_ids, properties } = request;
    let stored = match identities::by_key(conn, organization, &identifier_key, project_id.as_deref())? {
        Some(id) => identities::lock(conn, organization, id)?,
        None => None,
    };
    let (agents, blocks) = (agent_ids.map(distinct), block_ids.map(distinct));
    let Some(mut identity) = stored else {
        let identity = Identity {
            id: IdentityId::random(),
            identifier_key,
            name,
            identity_type,
            project_id,
            agent_ids: agents.unwrap_or_default(),
            block_ids: blocks.unwrap_or_default(),
            properties: last_of_each_key(properties.unwrap_or_default()),
        };
        check_keys(&identity)?;
        return insert(conn, actor, identity);
    };
    identity.name = name;
    identity.identity_type = identity_type;
    if let Some(properties) = properties {
        identity.properties = last_of_each_key(properties);
    }
    check_keys(&identity)?;
    identities::update(conn, actor, &identity)?;
    if let Some(agents) = agents {
        existing_agents(conn, organization, &agents)?;
        identities::agents::replace(conn, identity.id, &agents)?;
    }
    if let Some(blocks) = blocks {
        existing_blocks(conn, organization, &blocks)?;
        identities::blocks::replace(conn, identity.id, &blocks)?;
    }
    get(conn, organization, identity.id)
}

/// What is looked up by an index must fit into one.
fn check_keys(identity: &Identity) -> Result<()> {
    check::key("identifier_key", &identity.identifier_key)?;
    identity.project_id.as_ref().map_or(Ok(()), |project| check::key("project_id", project))
}

fn distinct<T: Copy + Eq + std::hash::Hash>(mut ids: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

/// The properties, where a later one takes the place of an earlier one with the same key.
fn last_of_each_key(properties: Vec<IdentityProperty>) -> Vec<IdentityProperty> {
    let mut kept: Vec<IdentityProperty> = Vec::with_capacity(properties.len());
    for property in properties {
        match kept.iter_mut().find(|other| other.key == property.key) {
            Some(other) => *other = property,
            None => kept.push(property),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_later_property_takes_the_place_of_an_earlier_one() {
        let properties = serde_json::from_value(json!([
            {"key": "a", "value": 1, "type": "number"},
            {"key": "b", "value": true, "type": "boolean"},
            {"key": "a", "value": "one", "type": "string"},
        ]))
        .unwrap();
        let kept = serde_json::to_value(last_of_each_key(properties)).unwrap();
        assert_eq!(
            kept,
            json!([
                {"key": "a", "value": "one", "type": "string"},
                {"key": "b", "value": true, "type": "boolean"},
            ])
        );
    }

    #[test]
    fn a_key_that_fits_into_no_index_is_refused() {
        let identity = Identity {
            id: IdentityId::random(),
            identifier_key: "k".repeat(513),
            name: String::new(),
            identity_type: crate::schema::IdentityType::User,
            project_id: None,
            agent_ids: Vec::new(),
            block_ids: Vec::new(),
            properties: Vec::new(),
        };
        assert!(matches!(check_keys(&identity), Err(Error::Unprocessable(_))));
    }
}
