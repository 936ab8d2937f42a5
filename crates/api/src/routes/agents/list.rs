//! `GET /v1/agents/`

use std::borrow::Cow;

use actix_web::web::{Data, Json};
use serde::{Deserialize, Deserializer, de};
use utoipa::IntoParams;

use super::IncludeQuery;
use crate::{
    error::Answer,
    extract::{ClientGeneration, DayEnd, Paging, Query, RequestActor, Sort},
    managers::{
        Services,
        agent_loop::run_status,
        orm::agents::{AgentFilter, AgentSort},
        schema::{AgentState, RunStatus, StopReason, Timestamp, WireEnum},
    },
};

impl Sort for AgentSort {
    const FIELDS: &'static [(&'static str, Self)] = &[
        ("created_at", Self::CreatedAt),
        ("updated_at", Self::UpdatedAt),
        ("last_run_completion", Self::LastRunCompletion),
    ];
}

/// A reason to stop, or the state of a run that stands for several.
#[derive(Debug)]
struct LastStop(Vec<StopReason>);

impl<'de> Deserialize<'de> for LastStop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text == RunStatus::Completed.as_str() {
            let good = |reason: &&StopReason| run_status(**reason) == RunStatus::Completed;
            return Ok(Self(StopReason::ALL.iter().filter(good).copied().collect()));
        }
        let reason = text.parse().map_err(|_| de::Error::unknown_variant(&text, StopReason::TEXTS))?;
        Ok(Self(vec![reason]))
    }
}

/// Which agents to list or count.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct AgentQuery {
    /// The exact name.
    name: Option<String>,
    /// Tags, of which an agent has at least one.
    #[param(required = false)]
    tags: Vec<String>,
    /// Whether an agent must have all of the tags.
    #[param(required = false, default = false)]
    match_all_tags: bool,
    /// A part of the name, in any case.
    query_text: Option<String>,
    /// The exact project.
    project_id: Option<String>,
    /// The exact template.
    template_id: Option<String>,
    /// The exact base template.
    base_template_id: Option<String>,
    /// Agents of this identity.
    identity_id: Option<String>,
    /// Agents of an identity with one of these keys.
    #[param(required = false)]
    identifier_keys: Vec<String>,
    /// How the last run ended; `completed` for any good end.
    #[param(value_type = StopReason, required = false)]
    last_stop_reason: Option<LastStop>,
    /// Agents made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    start_date: Option<Timestamp>,
    /// Agents made at this time or earlier. A date without a time means all of that day.
    #[param(value_type = Option<String>, format = DateTime)]
    end_date: Option<DayEnd>,
    /// Who made the agent.
    created_by_id: Option<String>,
    /// Also agents that are hidden.
    #[param(required = false, default = false)]
    show_hidden_agents: bool,
}

impl AgentQuery {
    /// The conditions.
    pub(super) fn filter(self) -> AgentFilter {
        AgentFilter {
            name: self.name,
            query_text: self.query_text,
            tags: self.tags,
            match_all_tags: self.match_all_tags,
            project_id: self.project_id,
            template_id: self.template_id,
            base_template_id: self.base_template_id,
            created_by_id: self.created_by_id,
            last_stop_reasons: self.last_stop_reason.map_or_else(Vec::new, |last| last.0),
            start: self.start_date,
            end: self.end_date.map(|end| end.0),
            show_hidden: self.show_hidden_agents,
            identity_id: self.identity_id,
            identifier_keys: self.identifier_keys,
            ..AgentFilter::default()
        }
    }
}

/// List agents.
///
/// All conditions must hold. To read on, send the id of the last agent as `after`, until the page is empty.
#[utoipa::path(
    get, path = "/v1/agents/", tag = "agents",
    params(Paging::<50, true, AgentSort>, AgentQuery, IncludeQuery),
    responses((status = 200, description = "A page of agents.", body = Vec<AgentState>))
)]
pub(crate) async fn list_agents(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, true, AgentSort>,
    Query(query): Query<AgentQuery>,
    Query(include): Query<IncludeQuery>,
    client: ClientGeneration,
) -> Answer<Vec<AgentState>> {
    Ok(Json(services.agents().list(&actor, query.filter(), paging.sort, paging.page, include.of(client)).await?))
}
