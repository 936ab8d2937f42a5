//! `/v1/_internal_templates`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{JsonBody, JsonList, PathText, Query, RequestActor},
    managers::{
        Services,
        schema::{
            AgentState, Block, DeleteDeploymentResponse, Group, InternalTemplateAgentCreate,
            InternalTemplateBlockCreate, InternalTemplateGroupCreate, ListDeploymentEntitiesResponse,
        },
        template::EntityKinds,
    },
};

/// Create a group of a deployment.
#[utoipa::path(
    post, path = "/v1/_internal_templates/groups", tag = "_internal_templates",
    request_body = InternalTemplateGroupCreate,
    responses((status = 200, description = "The new group.", body = Group))
)]
pub(crate) async fn create_internal_template_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(group): JsonBody<InternalTemplateGroupCreate>,
) -> Answer<Group> {
    Ok(Json(services.templates().create_group(&actor, group).await?))
}

/// Create an agent of a deployment.
///
/// Its `llm_config` must be given whole. Tools that are not there are left out, and it gets no companion.
#[utoipa::path(
    post, path = "/v1/_internal_templates/agents", tag = "_internal_templates",
    request_body = InternalTemplateAgentCreate,
    responses((status = 200, description = "The new agent.", body = AgentState))
)]
pub(crate) async fn create_internal_template_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(agent): JsonBody<InternalTemplateAgentCreate>,
) -> Answer<AgentState> {
    Ok(Json(services.templates().create_agent(&actor, agent).await?))
}

/// Create a block of a deployment.
#[utoipa::path(
    post, path = "/v1/_internal_templates/blocks", tag = "_internal_templates",
    request_body = InternalTemplateBlockCreate,
    responses((status = 200, description = "The new block.", body = Block))
)]
pub(crate) async fn create_internal_template_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(block): JsonBody<InternalTemplateBlockCreate>,
) -> Answer<Block> {
    Ok(Json(services.templates().create_block(&actor, block).await?))
}

/// Create several blocks of a deployment, all or none.
#[utoipa::path(
    post, path = "/v1/_internal_templates/blocks/batch", tag = "_internal_templates",
    request_body = Vec<InternalTemplateBlockCreate>,
    responses((status = 200, description = "The new blocks, in the order of the request.", body = Vec<Block>))
)]
pub(crate) async fn create_internal_template_blocks_batch(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonList(blocks): JsonList<InternalTemplateBlockCreate>,
) -> Answer<Vec<Block>> {
    Ok(Json(services.templates().create_blocks(&actor, blocks).await?))
}

/// Which entities to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct EntityQuery {
    /// Kinds of entities: `block`, `agent`, `group`, repeated or as one list with commas. All when none is known.
    #[param(required = false)]
    entity_types: Vec<String>,
}

impl EntityQuery {
    fn kinds(&self) -> EntityKinds {
        match self.entity_types.as_slice() {
            [list] => EntityKinds::named(list.split(',').map(str::trim)),
            names => EntityKinds::named(names.iter().map(String::as_str)),
        }
    }
}

/// List what belongs to a deployment.
#[utoipa::path(
    get, path = "/v1/_internal_templates/deployment/{deployment_id}", tag = "_internal_templates",
    params(("deployment_id" = String, Path, description = "The deployment."), EntityQuery),
    responses((status = 200, description = "Its blocks, agents and groups.", body = ListDeploymentEntitiesResponse))
)]
pub(crate) async fn list_deployment_entities(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathText(deployment): PathText,
    Query(query): Query<EntityQuery>,
) -> Answer<ListDeploymentEntitiesResponse> {
    Ok(Json(services.templates().entities(&actor, deployment, query.kinds()).await?))
}

/// Delete what belongs to a deployment.
///
/// Blocks go first, then agents, then groups. What cannot be deleted stays, and the message says why.
#[utoipa::path(
    delete, path = "/v1/_internal_templates/deployment/{deployment_id}", tag = "_internal_templates",
    params(("deployment_id" = String, Path, description = "The deployment.")),
    responses((status = 200, description = "What was deleted.", body = DeleteDeploymentResponse))
)]
pub(crate) async fn delete_deployment(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathText(deployment): PathText,
) -> Answer<DeleteDeploymentResponse> {
    Ok(Json(services.templates().delete(&actor, deployment).await?))
}
