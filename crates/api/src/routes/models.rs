//! The models that agents can use.

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Known, Query, RequestActor},
    managers::{
        Services,
        model::ModelFilter,
        schema::{EmbeddingModel, Model, ProviderCategory, ProviderType},
    },
};

/// Which models to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ModelQuery {
    /// Those of the server's own providers (`base`), or those of providers that were added through the API (`byok`).
    #[serde(default)]
    #[param(value_type = Vec<ProviderCategory>, required = false)]
    provider_category: Vec<Known<ProviderCategory>>,
    /// Those of the provider with this name.
    provider_name: Option<String>,
    /// Those of providers of this type.
    #[param(value_type = ProviderType, required = false)]
    provider_type: Option<Known<ProviderType>>,
}

/// List chat models.
///
/// The models of all providers that can be reached now. The `handle` is what an agent's `model` takes.
#[utoipa::path(
    get, path = "/v1/models/", tags = ["models", "llms"],
    params(ModelQuery),
    responses((status = 200, description = "The chat models.", body = Vec<Model>))
)]
pub(crate) async fn list_models(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<ModelQuery>,
) -> Answer<Vec<Model>> {
    let filter = ModelFilter {
        categories: query.provider_category.into_iter().map(|known| known.0).collect(),
        provider_name: query.provider_name,
        provider_type: query.provider_type.map(|known| known.0),
    };
    Ok(Json(services.models().list(&actor, &filter).await))
}

/// List embedding models.
///
/// The `handle` is what an agent's `embedding` takes.
#[utoipa::path(
    get, path = "/v1/models/embedding", tags = ["models", "llms"],
    responses((status = 200, description = "The embedding models.", body = Vec<EmbeddingModel>))
)]
pub(crate) async fn list_embedding_models(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
) -> Answer<Vec<EmbeddingModel>> {
    Ok(Json(services.models().list_embedding(&actor).await))
}
