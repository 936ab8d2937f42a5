//! Deployments of templates: agents, blocks and groups that a template makes, found and deleted together.

use crate::{
    Actor, Services,
    agent::{Include, Plan, check, load_states, one_state},
    block,
    error::{Error, Result},
    group,
    model::config,
    orm::{self, Conn, deployments},
    prompt,
    schema::{
        AgentId, AgentState, Block, BlockId, DeleteDeploymentResponse, DeploymentEntity, Group, GroupId, Id,
        InternalTemplateAgentCreate, InternalTemplateBlockCreate, InternalTemplateGroupCreate,
        ListDeploymentEntitiesResponse, OrganizationId,
    },
};

/// What is done with deployments of templates.
#[derive(Debug, Clone, Copy)]
pub struct TemplateManager<'a>(&'a Services);

impl Services {
    /// What is done with deployments of templates.
    pub fn templates(&self) -> TemplateManager<'_> {
        TemplateManager(self)
    }
}

/// The kinds of things that belong to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityKinds {
    blocks: bool,
    agents: bool,
    groups: bool,
}

impl EntityKinds {
    /// All of them.
    pub const ALL: Self = Self { blocks: true, agents: true, groups: true };

    /// The kinds of these names: `block`, `agent`, `group`. All of them when none of the names is known.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut kinds = Self { blocks: false, agents: false, groups: false };
        for name in names {
            match name {
                "block" => kinds.blocks = true,
                "agent" => kinds.agents = true,
                "group" => kinds.groups = true,
                _ => {}
            }
        }
        if kinds.blocks || kinds.agents || kinds.groups { kinds } else { Self::ALL }
    }
}

impl TemplateManager<'_> {
    /// Makes an agent of a deployment. Its models are taken as they are given, tools that this server does not have
    /// are left out, and there is no companion that tends its memory: that would be an agent of the template too.
    ///
    /// # Errors
    /// 400 without an `llm_config`, else as for [`crate::AgentManager::create`].
    pub async fn create_agent(&self, actor: &Actor, request: InternalTemplateAgentCreate) -> Result<AgentState> {
        let InternalTemplateAgentCreate { agent, deployment_id, entity_id } = request;
        if agent.llm_config.is_none() {
            return Err(Error::BadRequest("llm_config is required".to_owned()));
        }
        check::create(&agent)?;
        check::key("deployment_id", &deployment_id)?;
        check::key("entity_id", &entity_id)?;
        let settings = self.0.settings();
        let llm_config = config::create(&agent, None, settings.max_context_window)?;
        let embedding_config = agent.embedding_config.clone();
        let plan = Plan::new(agent, settings.is_production(), llm_config, embedding_config)?
            .deployed(deployment_id, entity_id);
        let (actor, cipher) = (*actor, self.0.cipher().clone());
        let write = move |conn: &mut Conn| {
            let row = plan.store(conn, &actor, &cipher)?;
            one_state(row.id, load_states(conn, actor.organization_id, &cipher, vec![row], Include::ALL)?)
        };
        self.0.db().write(write).await
    }

    /// Makes a block of a deployment.
    ///
    /// # Errors
    /// 422 for a deployment whose name is too long.
    pub async fn create_block(&self, actor: &Actor, new: InternalTemplateBlockCreate) -> Result<Block> {
        check_block(&new)?;
        let actor = *actor;
        self.0.db().write(move |conn| block::create(conn, &actor, new.block)).await
    }

    /// Makes blocks of a deployment, all or none.
    ///
    /// # Errors
    /// 422 for a deployment whose name is too long.
    pub async fn create_blocks(&self, actor: &Actor, new: Vec<InternalTemplateBlockCreate>) -> Result<Vec<Block>> {
        new.iter().try_for_each(check_block)?;
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            new.into_iter().map(|new| block::create(conn, &actor, new.block)).collect::<Result<_>>()
        };
        self.0.db().write(write).await
    }

    /// Makes a group of a deployment.
    ///
    /// # Errors
    /// 422 for a deployment whose name is too long, else as for [`crate::GroupManager::create`].
    pub async fn create_group(&self, actor: &Actor, request: InternalTemplateGroupCreate) -> Result<Group> {
        check::key("deployment_id", &request.deployment_id)?;
        let actor = *actor;
        self.0.db().write(move |conn| group::deploy(conn, &actor, request)).await
    }

    /// What belongs to a deployment. One that nothing belongs to is empty, not missing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn entities(
        &self,
        actor: &Actor,
        deployment: String,
        kinds: EntityKinds,
    ) -> Result<ListDeploymentEntitiesResponse> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| -> Result<_> {
            let mut entities = Vec::new();
            if kinds.blocks {
                entities.extend(deployments::blocks(conn, organization, &deployment)?);
            }
            if kinds.agents {
                entities.extend(deployments::agents(conn, organization, &deployment)?);
            }
            if kinds.groups {
                entities.extend(deployments::groups(conn, organization, &deployment)?);
            }
            let total_count = i64::try_from(entities.len()).unwrap_or(i64::MAX);
            let message = format!("The deployment '{deployment}' has {total_count} such entities.");
            Ok(ListDeploymentEntitiesResponse { entities, total_count, deployment_id: deployment, message })
        };
        self.0.db().read(read).await
    }

    /// Deletes the blocks of a deployment, then its agents, then its groups. An agent that cannot be deleted stays with
    /// all it has, and the answer says why; the rest goes all the same.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, actor: &Actor, deployment: String) -> Result<DeleteDeploymentResponse> {
        let (organization, name) = (actor.organization_id, deployment.clone());
        let write = move |conn: &mut Conn| {
            let blocks = ids(&deployments::blocks(conn, organization, &deployment)?);
            let agents = ids(&deployments::agents(conn, organization, &deployment)?);
            let groups = ids(&deployments::groups(conn, organization, &deployment)?);
            delete_blocks(conn, organization, &blocks)?;
            Ok::<_, Error>((blocks, agents, groups))
        };
        let (blocks, mut agents, groups): (Vec<BlockId>, Vec<AgentId>, Vec<GroupId>) = self.0.db().write(write).await?;

        let managing = self.delete_agents(actor, agents.clone()).await;
        let doomed = groups.clone();
        let write = move |conn: &mut Conn| {
            for group in doomed {
                // False for one that went with the agent that it was for.
                orm::groups::delete(conn, organization, group)?;
            }
            Ok::<_, Error>(())
        };
        self.0.db().write(write).await?;
        // What managed one of these groups can go now.
        let kept = self.delete_agents(actor, managing.into_iter().map(|(id, _)| id).collect()).await;
        agents.retain(|id| kept.iter().all(|(kept, _)| kept != id));

        let mut message = format!(
            "Deleted from the deployment '{name}': {} blocks, {} agents, {} groups.",
            blocks.len(),
            agents.len(),
            groups.len()
        );
        for (id, error) in &kept {
            tracing::warn!(agent = %id, %error, "an agent stays when its deployment is deleted");
            message.push_str(&format!(" {id} stays: {error}"));
        }
        Ok(DeleteDeploymentResponse {
            deleted_blocks: texts(&blocks),
            deleted_agents: texts(&agents),
            deleted_groups: texts(&groups),
            message,
        })
    }

    /// Deletes these agents, each in a transaction of its own, and returns those that could not be, with the reasons.
    /// One that is gone already, as a companion of another, is deleted.
    async fn delete_agents(&self, actor: &Actor, agents: Vec<AgentId>) -> Vec<(AgentId, Error)> {
        let mut kept = Vec::new();
        for id in agents {
            match self.0.agents().delete(actor, id).await {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => kept.push((id, error)),
            }
        }
        kept
    }
}

fn check_block(new: &InternalTemplateBlockCreate) -> Result<()> {
    check::key("deployment_id", new.block.deployment_id.as_deref().unwrap_or_default())
}

/// Deletes these blocks and takes them out of the prompts that show them.
fn delete_blocks(conn: &mut Conn, organization: OrganizationId, blocks: &[BlockId]) -> Result<()> {
    let mut blocks = blocks.to_vec();
    // Locked in the order of their ids, so that two of these do not wait for each other.
    blocks.sort_unstable();
    let mut shown_to = Vec::new();
    for block in blocks {
        shown_to.extend(block::delete(conn, organization, block)?.unwrap_or_default());
    }
    Ok(prompt::rebuild(conn, organization, &shown_to)?)
}

fn ids<T: Id>(entities: &[DeploymentEntity]) -> Vec<T> {
    entities.iter().filter_map(|entity| entity.id.parse().ok()).collect()
}

fn texts<T: Id>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_knows_stand_for_all_kinds() {
        let blocks = EntityKinds { blocks: true, agents: false, groups: false };
        assert_eq!(EntityKinds::named(["block"]), blocks);
        assert_eq!(EntityKinds::named(["block", "house"]), blocks);
        assert_eq!(EntityKinds::named(["house"]), EntityKinds::ALL);
        assert_eq!(EntityKinds::named([]), EntityKinds::ALL);
    }
}
