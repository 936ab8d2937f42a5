//! `GET /v1/conversations/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Answer,
    extract::{Paging, Query, RequestActor, Sort},
    managers::{
        Error, Services,
        conversation::{ArchiveStatus, ConversationFilter, ConversationSort},
        schema::Conversation,
    },
};

impl Sort for ConversationSort {
    const FIELDS: &'static [(&'static str, Self)] = &[
        ("created_at", Self::CreatedAt),
        ("last_run_completion", Self::LastRunCompletion),
        ("last_message_at", Self::LastMessageAt),
    ];
}

/// Which conversations to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ConversationQuery {
    /// The id of an agent: only its conversations.
    agent_id: Option<String>,
    /// A part of the summary, in any case.
    summary_search: Option<String>,
    /// Whether to return those that were put aside.
    #[param(inline, required = false, default = "unarchived")]
    archive_status: WhichArchived,
}

/// Whether a list shows the conversations that were put aside.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WhichArchived {
    #[default]
    Unarchived,
    Archived,
    All,
}

impl From<WhichArchived> for ArchiveStatus {
    fn from(which: WhichArchived) -> Self {
        match which {
            WhichArchived::Unarchived => Self::Unarchived,
            WhichArchived::Archived => Self::Archived,
            WhichArchived::All => Self::All,
        }
    }
}

/// List conversations.
///
/// Those without the time that the list is sorted by come last in both directions. Hidden ones are left out, and the
/// messages in context are not named here.
#[utoipa::path(
    get, path = "/v1/conversations/", tag = "conversations",
    params(Paging::<50, true, ConversationSort>, ConversationQuery),
    responses((status = 200, description = "A page of conversations.", body = Vec<Conversation>))
)]
pub(crate) async fn list_conversations(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, true, ConversationSort>,
    Query(query): Query<ConversationQuery>,
) -> Answer<Vec<Conversation>> {
    let agent_id = query.agent_id.map(|id| id.parse()).transpose().map_err(Error::from)?;
    let filter = ConversationFilter {
        agent_id,
        summary_search: query.summary_search,
        archive_status: query.archive_status.into(),
    };
    Ok(Json(services.conversations().list(&actor, filter, paging.sort, paging.page).await?))
}
