//! The blocks of an agent: `/v1/agents/{agent_id}/core-memory`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, Paging, PathId, PathText, RequestActor},
    managers::{
        Services,
        agent::Include,
        schema::{AgentId, AgentState, BlockId, BlockResponse, BlockUpdate, Memory},
    },
};

/// Retrieve an agent's memory.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/core-memory", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The blocks, and how they are shown to the model.", body = Memory))
)]
#[deprecated]
pub(crate) async fn retrieve_agent_memory(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
) -> Answer<Memory> {
    Ok(Json(services.agents().get(&actor, agent, Include::ALL).await?.memory))
}

/// List an agent's blocks.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/core-memory/blocks", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<100, true>),
    responses((status = 200, description = "A page of blocks.", body = Vec<BlockResponse>))
)]
pub(crate) async fn list_core_memory_blocks(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<100, true>,
) -> Answer<Vec<BlockResponse>> {
    let blocks = services.blocks().list_of_agent(&actor, agent, paging.page).await?;
    Ok(Json(blocks.into_iter().map(Into::into).collect()))
}

/// Retrieve an agent's block by its label.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/core-memory/blocks/{block_label}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("block_label" = String, Path, description = "The label. It may have slashes in it."),
    ),
    responses((status = 200, description = "The block.", body = BlockResponse))
)]
pub(crate) async fn retrieve_core_memory_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(label): PathText,
) -> Answer<BlockResponse> {
    Ok(Json(services.blocks().get_by_label(&actor, agent, &label).await?.into()))
}

/// Update an agent's block by its label.
///
/// Fields that are absent or null stay as they are. Every agent that has the block sees the change in its next step.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/core-memory/blocks/{block_label}", tag = "agents", request_body = BlockUpdate,
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("block_label" = String, Path, description = "The label. It may have slashes in it."),
    ),
    responses((status = 200, description = "The block after the change.", body = BlockResponse))
)]
pub(crate) async fn modify_core_memory_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(label): PathText,
    JsonBody(change): JsonBody<BlockUpdate>,
) -> Answer<BlockResponse> {
    Ok(Json(services.blocks().update_by_label(&actor, agent, &label, change).await?.into()))
}

/// Attach a block to an agent.
///
/// A block that the agent has already is no error. Two blocks of one agent cannot have the same label.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("block_id" = BlockId, Path, description = "The block."),
    ),
    responses((status = 200, description = "The agent, with all relationships.", body = AgentState))
)]
pub(crate) async fn attach_core_memory_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(block): PathId<BlockId>,
) -> Answer<AgentState> {
    Ok(Json(services.agents().attach_block(&actor, agent, block).await?))
}

/// Detach a block from an agent.
///
/// The block itself stays.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/core-memory/blocks/detach/{block_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("block_id" = BlockId, Path, description = "The block."),
    ),
    responses((status = 200, description = "The agent, with all relationships.", body = AgentState))
)]
pub(crate) async fn detach_core_memory_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(block): PathId<BlockId>,
) -> Answer<AgentState> {
    Ok(Json(services.agents().detach_block(&actor, agent, block).await?))
}
