//! `GET /v1/groups/{group_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Group, GroupId},
    },
};

/// Retrieve a group.
#[utoipa::path(
    get, path = "/v1/groups/{group_id}", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group.")),
    responses((status = 200, description = "The group.", body = Group))
)]
#[deprecated]
pub(crate) async fn retrieve_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
) -> Answer<Group> {
    Ok(Json(services.groups().get(&actor, group).await?))
}
