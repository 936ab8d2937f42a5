//! `DELETE /v1/groups/{group_id}`

use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::GroupId},
};

/// Delete a group.
///
/// Its agents, blocks and messages stay.
#[utoipa::path(
    delete, path = "/v1/groups/{group_id}", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group.")),
    responses((status = 200, description = "The group is gone.", body = Object))
)]
#[deprecated]
pub(crate) async fn delete_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
) -> Answer<Value> {
    services.groups().delete(&actor, group).await?;
    Ok(Json(json!({ "message": format!("Group id={group} successfully deleted") })))
}
