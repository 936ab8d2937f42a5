//! Tools.

pub(crate) mod base;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod generate_schema;
pub(crate) mod list;
pub(crate) mod retrieve;
pub(crate) mod search;
pub(crate) mod update;
pub(crate) mod upsert;

use actix_web::HttpRequest;

use crate::managers::tool::ToolOrigin;

/// What the headers of a request say about a tool.
fn origin(request: &HttpRequest) -> ToolOrigin {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    ToolOrigin {
        project_id: header("x-project-id").filter(|project| !project.is_empty()).map(str::to_owned),
        on_modal: header("x-experimental-modal-sandbox").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    }
}
