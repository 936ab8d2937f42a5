//! `GET /v1/runs/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Known, Paging, Query, RequestActor},
    managers::{
        Error, Services,
        orm::{Order, Page, runs::RunFilter},
        schema::{AgentId, ConversationId, Run, RunStatus, StopReason, UnknownValue},
    },
};

/// Which runs to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct RunQuery {
    /// Runs of this agent.
    agent_id: Option<AgentId>,
    /// Runs of one of these agents.
    #[param(required = false)]
    #[deprecated]
    agent_ids: Vec<AgentId>,
    /// Runs in one of these states.
    #[param(value_type = Vec<RunStatus>, required = false)]
    statuses: Vec<String>,
    /// Runs that go on without their client, or runs that do not.
    background: Option<bool>,
    /// Runs that ended for this reason.
    #[param(value_type = StopReason, required = false)]
    stop_reason: Option<Known<StopReason>>,
    /// Runs of this conversation.
    conversation_id: Option<ConversationId>,
    /// Only runs that have not ended.
    #[param(required = false, default = false)]
    active: bool,
    /// The older form of `order=asc`.
    #[param(required = false, default = false)]
    #[deprecated]
    ascending: bool,
}

impl RunQuery {
    /// The page, in the direction that the older parameter may ask for.
    pub(crate) fn page(&self, page: Page) -> Page {
        if self.ascending { Page { order: Order::Asc, ..page } } else { page }
    }

    /// # Errors
    /// 400 for a state that runs do not have.
    pub(crate) fn filter(self) -> Result<RunFilter, Error> {
        let status =
            |text: &String| text.parse().map_err(|error: UnknownValue| Error::InvalidArgument(error.to_string()));
        let statuses = match self.statuses.is_empty() && self.active {
            true => RunStatus::GOING.to_vec(),
            false => self.statuses.iter().map(status).collect::<Result<_, _>>()?,
        };
        Ok(RunFilter {
            agent_ids: self.agent_id.map_or(self.agent_ids, |id| vec![id]),
            conversation_id: self.conversation_id,
            statuses,
            background: self.background,
            stop_reason: self.stop_reason.map(|known| known.0),
            ..RunFilter::default()
        })
    }
}

/// List runs.
///
/// In the usual order, newest first, `after` and `before` both continue with older runs.
#[utoipa::path(
    get, path = "/v1/runs/", tag = "runs",
    params(Paging::<100, true>, RunQuery),
    responses((status = 200, description = "A page of runs.", body = Vec<Run>))
)]
pub(crate) async fn list_runs(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<100, true>,
    Query(query): Query<RunQuery>,
) -> Answer<Vec<Run>> {
    let page = query.page(paging.page);
    Ok(Json(services.runs().list(&actor, query.filter()?, page).await?))
}
