//! The tags of agents and blocks.

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Paging, Query, RequestActor, Sort},
    managers::Services,
};

/// Tags have no dates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByName;

impl Sort for ByName {
    const FIELDS: &'static [(&'static str, Self)] = &[("name", Self)];
}

/// Which tags to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TagQuery {
    /// A part of the tag, in any case.
    name: Option<String>,
    /// The older name of `name`.
    #[deprecated]
    query_text: Option<String>,
}

/// List tags.
///
/// The distinct tags of all agents and blocks, in alphabetical order. Cursors are tags.
#[utoipa::path(
    get, path = "/v1/tags/", tag = "tag",
    params(Paging::<50, false, ByName>, TagQuery),
    responses((status = 200, description = "A page of tags.", body = Vec<String>))
)]
pub(crate) async fn list_tags(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, false, ByName>,
    Query(query): Query<TagQuery>,
) -> Answer<Vec<String>> {
    let part = query.name.or(query.query_text);
    Ok(Json(services.tags().list(&actor, part, paging.page).await?))
}
