//! `POST /v1/tools/generate-schema`, which the document does not show: it is for editors of tools.

use actix_web::web::{Data, Json};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{error::Answer, extract::JsonBody, managers::Services};

/// Source whose schema is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct GenerateSchema {
    /// The source.
    code: String,
    /// Its language: `python`, the default, or `typescript`.
    source_type: Option<String>,
}

/// The schema of the function in this source. Nothing is stored.
pub(crate) async fn generate_schema(
    services: Data<Services>,
    JsonBody(source): JsonBody<GenerateSchema>,
) -> Answer<Map<String, Value>> {
    Ok(Json(services.tools().generate_schema(source.code, source.source_type).await?))
}
