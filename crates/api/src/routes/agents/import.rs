//! `POST /v1/agents/import`

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    error::Answer,
    extract::{FileForm, RequestActor},
    managers::{
        Services,
        agent_file::{self, ImportOptions},
        schema::ImportedAgentsResponse,
    },
};

/// What an import does with what is in the file, besides the file itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ImportFields {
    name: Option<String>,
    override_name: Option<String>,
    append_copy_suffix: Option<bool>,
    override_existing_tools: Option<bool>,
    strip_messages: bool,
    secrets: Option<String>,
    env_vars_json: Option<String>,
    model: Option<String>,
    override_model_handle: Option<String>,
    embedding: Option<String>,
    override_embedding_handle: Option<String>,
    project_id: Option<String>,
}

/// The form of an import.
#[derive(ToSchema)]
#[schema(as = Body_import_agent)]
#[allow(dead_code, reason = "only for the document")]
pub(crate) struct ImportForm {
    /// The agent file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Whether tools that exist already become what the file says of tools of their names. Built-in tools never do.
    #[schema(required = false, default = true)]
    override_existing_tools: bool,
    /// Whether the messages in the file are left out.
    #[schema(required = false, default = false)]
    strip_messages: bool,
    /// The values of secrets whose names are in the file: the text of a JSON object.
    secrets: Option<String>,
    /// The name of every agent, instead of the one in the file.
    name: Option<String>,
    /// The handle of the embedding model of all agents and folders, instead of those in the file.
    embedding: Option<String>,
    /// The handle of the chat model of all agents, instead of those in the file.
    model: Option<String>,
    /// Whether `_copy` is added to the names in the file.
    #[schema(required = false, default = true, deprecated)]
    append_copy_suffix: bool,
    /// The older name of `name`.
    #[schema(deprecated)]
    override_name: Option<String>,
    /// The older name of `embedding`.
    #[schema(deprecated)]
    override_embedding_handle: Option<String>,
    /// The older name of `model`.
    #[schema(deprecated)]
    override_model_handle: Option<String>,
    /// The project of the new agents.
    #[schema(deprecated)]
    project_id: Option<String>,
    /// The older name of `secrets`.
    #[schema(deprecated)]
    env_vars_json: Option<String>,
}

/// Import agents.
///
/// Makes the agents of an agent file with all that they are made of, in one piece: when anything cannot be made,
/// nothing is.
#[utoipa::path(
    post, path = "/v1/agents/import", tag = "agents",
    params(("x-override-embedding-model" = Option<String>, Header, description = "The older form of `embedding`.")),
    request_body(content = ImportForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The new agents.", body = ImportedAgentsResponse))
)]
pub(crate) async fn import_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    request: HttpRequest,
    FileForm { fields, file }: FileForm<ImportFields>,
) -> Answer<ImportedAgentsResponse> {
    let header = |name: &str| {
        let text = request.headers().get(name)?.to_str().ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let secrets = fields.secrets.or(fields.env_vars_json);
    let options = ImportOptions {
        name: fields.name.or(fields.override_name),
        append_copy_suffix: fields.append_copy_suffix.unwrap_or(true),
        override_existing_tools: fields.override_existing_tools.unwrap_or(true),
        strip_messages: fields.strip_messages,
        secrets: secrets.as_deref().map(agent_file::secrets).transpose()?.unwrap_or_default(),
        model: fields.model.or(fields.override_model_handle),
        embedding: fields
            .embedding
            .or(fields.override_embedding_handle)
            .or_else(|| header("x-override-embedding-model")),
        project_id: header("x-project-id").or(fields.project_id),
    };
    let files = services.agent_files();
    let agent_ids = files.import(&actor, files.read(&file)?, options).await?;
    Ok(Json(ImportedAgentsResponse { agent_ids }))
}
