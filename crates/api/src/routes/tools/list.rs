//! `GET /v1/tools/`

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Paging, Query, RequestActor},
    managers::{Services, schema::Tool, tool::ToolQuery},
};

/// Which tools to list or count.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ToolParameters {
    /// The exact name.
    name: Option<String>,
    /// One of these names.
    #[param(required = false)]
    names: Vec<String>,
    /// One of these ids; one parameter can hold several, with commas between them.
    #[param(required = false)]
    tool_ids: Vec<String>,
    /// A part of the name, in any case.
    search: Option<String>,
    /// One of these types; one parameter can hold several, with commas between them.
    #[param(required = false)]
    tool_types: Vec<String>,
    /// None of these types; one parameter can hold several, with commas between them.
    #[param(required = false)]
    exclude_tool_types: Vec<String>,
    /// Only built-in tools.
    #[param(required = false, default = false)]
    return_only_letta_tools: bool,
    /// No built-in tools. For counts only.
    #[param(required = false, default = false)]
    exclude_letta_tools: bool,
}

impl ToolParameters {
    /// The query of this request, whose header may name a project.
    pub(super) fn query(self, request: &HttpRequest) -> ToolQuery {
        ToolQuery {
            name: self.name,
            names: self.names,
            ids: self.tool_ids,
            search: self.search,
            types: self.tool_types,
            exclude_types: self.exclude_tool_types,
            only_built_in: self.return_only_letta_tools,
            exclude_built_in: self.exclude_letta_tools,
            project_id: super::origin(request).project_id,
        }
    }
}

/// List tools.
#[utoipa::path(
    get, path = "/v1/tools/", tag = "tools",
    params(Paging::<50, true>, ToolParameters),
    responses((status = 200, description = "A page of tools.", body = Vec<Tool>))
)]
pub(crate) async fn list_tools(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, true>,
    Query(parameters): Query<ToolParameters>,
    request: HttpRequest,
) -> Answer<Vec<Tool>> {
    let query = ToolQuery { exclude_built_in: false, ..parameters.query(&request) };
    Ok(Json(services.tools().list(&actor, query, paging.page).await?))
}
