//! `GET /v1/groups/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Known, Paging, Query, RequestActor},
    managers::{
        Services,
        group::GroupFilter,
        schema::{Group, ManagerType},
    },
};

/// Which groups to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct GroupQuery {
    /// How the agents of the group take turns.
    #[param(value_type = ManagerType, required = false)]
    manager_type: Option<Known<ManagerType>>,
    /// The exact project.
    project_id: Option<String>,
    /// Also groups that are hidden.
    #[param(required = false, default = false)]
    show_hidden_groups: bool,
}

/// List groups.
///
/// All conditions must hold.
#[utoipa::path(
    get, path = "/v1/groups/", tag = "groups",
    params(Paging::<50, false>, GroupQuery),
    responses((status = 200, description = "A page of groups.", body = Vec<Group>))
)]
#[deprecated]
pub(crate) async fn list_groups(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, false>,
    Query(query): Query<GroupQuery>,
) -> Answer<Vec<Group>> {
    let filter = GroupFilter {
        manager_type: query.manager_type.map(|known| known.0),
        project_id: query.project_id,
        member: None,
        show_hidden: query.show_hidden_groups,
    };
    Ok(Json(services.groups().list(&actor, filter, paging.page).await?))
}
