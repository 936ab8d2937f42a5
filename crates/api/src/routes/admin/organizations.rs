//! `/v1/admin/orgs/`

use actix_web::web::{Data, Json};
use serde::Deserialize;

use crate::{
    error::Answer,
    extract::{JsonBody, Operator, Paging, Query},
    managers::{
        Services,
        schema::{Organization, OrganizationCreate, OrganizationId, OrganizationUpdate},
    },
};

/// Which organization.
#[derive(Debug, Deserialize)]
pub(crate) struct OrganizationQuery {
    org_id: OrganizationId,
}

/// List organizations, oldest first.
pub(crate) async fn list_organizations(
    _: Operator,
    services: Data<Services>,
    paging: Paging<50, false>,
) -> Answer<Vec<Organization>> {
    Ok(Json(services.admin().organizations(paging.page).await?))
}

/// Create an organization.
pub(crate) async fn create_organization(
    _: Operator,
    services: Data<Services>,
    JsonBody(request): JsonBody<OrganizationCreate>,
) -> Answer<Organization> {
    Ok(Json(services.admin().create_organization(request).await?))
}

/// Change an organization.
pub(crate) async fn update_organization(
    _: Operator,
    services: Data<Services>,
    Query(query): Query<OrganizationQuery>,
    JsonBody(change): JsonBody<OrganizationUpdate>,
) -> Answer<Organization> {
    Ok(Json(services.admin().update_organization(query.org_id, change).await?))
}

/// Delete an organization with all that belongs to it.
pub(crate) async fn delete_organization(
    _: Operator,
    services: Data<Services>,
    Query(query): Query<OrganizationQuery>,
) -> Answer<Organization> {
    Ok(Json(services.admin().delete_organization(query.org_id).await?))
}
