//! `DELETE /v1/sources/{source_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::SourceId},
};

/// Delete a folder.
///
/// Its files go with it, also from the agents that have them. The agents stay.
#[utoipa::path(
    delete, path = "/v1/sources/{source_id}", tag = "sources",
    params(("source_id" = SourceId, Path, description = "The folder.")),
    responses((status = 200, description = "The folder is gone. The body is null."))
)]
#[deprecated]
pub(crate) async fn delete_source(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
) -> Answer<()> {
    Ok(Json(services.sources().delete(&actor, folder).await?))
}
