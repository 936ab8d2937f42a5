//! `GET /v1/identities/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Known, Paging, Query, RequestActor},
    managers::{
        IdentityFilter, Services,
        schema::{Identity, IdentityType},
    },
};

/// Which identities to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct IdentityQuery {
    /// A part of the name, in any case.
    name: Option<String>,
    /// The exact project.
    #[deprecated]
    project_id: Option<String>,
    /// The exact key.
    identifier_key: Option<String>,
    /// Whom the identity stands for.
    #[param(value_type = IdentityType, required = false)]
    identity_type: Option<Known<IdentityType>>,
}

/// List identities.
///
/// All conditions must hold.
#[utoipa::path(
    get, path = "/v1/identities/", tag = "identities",
    params(Paging::<50, true>, IdentityQuery),
    responses((status = 200, description = "A page of identities.", body = Vec<Identity>))
)]
#[deprecated]
pub(crate) async fn list_identities(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, true>,
    Query(query): Query<IdentityQuery>,
) -> Answer<Vec<Identity>> {
    let filter = IdentityFilter {
        name: query.name,
        project_id: query.project_id,
        identifier_key: query.identifier_key,
        identity_type: query.identity_type.map(|known| known.0),
    };
    Ok(Json(services.identities().list(&actor, filter, paging.page).await?))
}
