//! The passages that an agent can search: `/v1/agents/{agent_id}/archival-memory`

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::{
    error::{Answer, ApiError, Record},
    extract::{JsonBody, Known, Limit, PathId, PathText, Query, RequestActor},
    managers::{
        Services,
        orm::{Order, Page},
        passage::ArchivalQuery,
        schema::{AgentId, ArchivalMemorySearchResponse, CreateArchivalMemory, Passage, TagMatchMode},
    },
};

/// How many passages a page has.
const PAGE: i64 = 100;

/// Which passages to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct PassageListQuery {
    /// The id of a passage: only those that follow it in the list.
    after: Option<String>,
    /// The id of a passage: only those that precede it in the list.
    before: Option<String>,
    /// How many passages to return at most. Values above 10000 count as 10000.
    #[param(value_type = Option<i64>, minimum = 0, default = 100)]
    limit: Option<Limit>,
    /// A part of the text, in any case.
    search: Option<String>,
    /// Whether the oldest passages come first.
    #[param(default = true)]
    ascending: Option<bool>,
}

/// List the passages in an agent's archive.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/archival-memory", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), PassageListQuery),
    responses((status = 200, description = "A page of passages.", body = Vec<Passage>))
)]
pub(crate) async fn list_passages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    Query(query): Query<PassageListQuery>,
) -> Answer<Vec<Passage>> {
    let order = if query.ascending.unwrap_or(true) { Order::Asc } else { Order::Desc };
    let limit = query.limit.map_or(PAGE, |limit| limit.0);
    let page = Page { before: query.before, after: query.after, limit, order };
    Ok(Json(services.passages().list_of_agent(&actor, agent, query.search, page).await?))
}

/// Put a passage into an agent's archive.
///
/// An agent that has no archive gets one.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/archival-memory", tag = "agents", request_body = CreateArchivalMemory,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The new passage, alone in a list.", body = Vec<Passage>))
)]
pub(crate) async fn create_passage(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    JsonBody(passage): JsonBody<CreateArchivalMemory>,
) -> Answer<Vec<Passage>> {
    Ok(Json(vec![services.passages().create_for_agent(&actor, agent, passage).await?]))
}

/// What to search for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct PassageSearchQuery {
    /// What to look for; what is blank finds nothing.
    #[param(value_type = String, required)]
    query: Option<String>,
    /// Tags that a passage must have.
    #[param(value_type = Option<Vec<String>>)]
    tags: Vec<String>,
    /// Whether a passage must have any of the tags or all of them.
    #[param(value_type = TagMatchMode, required = false, default = "any")]
    tag_match_mode: Option<Known<TagMatchMode>>,
    /// How many passages to return at most: 5 if nothing is said, all for 0.
    top_k: Option<i64>,
    /// Only passages made at this time or later. Without an offset it is in the agent's timezone.
    #[param(format = DateTime)]
    start_datetime: Option<String>,
    /// Only passages made at this time or earlier. A date alone includes its day.
    #[param(format = DateTime)]
    end_datetime: Option<String>,
}

/// Search an agent's archive.
///
/// The passages that fit the words best come first.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/archival-memory/search", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), PassageSearchQuery),
    responses((status = 200, description = "What was found.", body = ArchivalMemorySearchResponse))
)]
pub(crate) async fn search_archival_memory(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    Query(query): Query<PassageSearchQuery>,
    request: HttpRequest,
) -> Answer<ArchivalMemorySearchResponse> {
    // An empty query is a query, unlike other empty parameters; one must have been sent.
    if query.query.is_none()
        && !form_urlencoded::parse(request.query_string().as_bytes()).any(|(key, _)| key == "query")
    {
        let mut record = Record::new("missing", ["query", "query"]);
        record.msg = "Field required".to_owned();
        return Err(record.into());
    }
    let query = ArchivalQuery {
        query: query.query.unwrap_or_default(),
        tags: query.tags,
        tag_match_mode: query.tag_match_mode.map_or(TagMatchMode::Any, |known| known.0),
        top_k: query.top_k,
        start_datetime: query.start_datetime,
        end_datetime: query.end_datetime,
    };
    Ok(Json(services.passages().search_of_agent(&actor, agent, query).await?))
}

/// Delete a passage from an agent's archive.
#[utoipa::path(
    delete, path = "/v1/agents/{agent_id}/archival-memory/{memory_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("memory_id" = String, Path, description = "The passage."),
    ),
    responses((status = 200, description = "The passage is gone.", body = Object))
)]
pub(crate) async fn delete_passage(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(passage): PathText,
) -> Result<Json<Value>, ApiError> {
    services.passages().delete_of_agent(&actor, agent, &passage).await?;
    Ok(Json(json!({ "message": format!("Memory id={passage} successfully deleted") })))
}
