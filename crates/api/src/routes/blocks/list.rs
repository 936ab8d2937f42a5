//! `GET /v1/blocks/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::{Answer, ApiError, Record},
    extract::{Paging, Query, RequestActor},
    managers::{
        Services,
        orm::blocks::BlockFilter,
        schema::{BlockResponse, IdentityId},
    },
};

/// Which blocks to list or count.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct BlockQuery {
    /// The exact label.
    label: Option<String>,
    /// Only templates.
    #[param(required = false, default = false)]
    templates_only: bool,
    /// The exact name of the template.
    name: Option<String>,
    /// Blocks of this identity.
    #[param(value_type = Option<String>)]
    identity_id: Option<IdentityId>,
    /// Blocks of an identity with one of these keys.
    #[param(required = false)]
    identifier_keys: Vec<String>,
    /// The exact project.
    project_id: Option<String>,
    /// Tags, of which a block has at least one.
    #[param(required = false)]
    tags: Vec<String>,
    /// Whether a block must have all of the tags.
    #[param(required = false, default = false)]
    match_all_tags: bool,
    /// A part of the label.
    label_search: Option<String>,
    /// A part of the description.
    description_search: Option<String>,
    /// A part of the value.
    value_search: Option<String>,
    /// Blocks that more than this many agents have.
    connected_to_agents_count_gt: Option<i64>,
    /// Blocks that fewer than this many agents have.
    connected_to_agents_count_lt: Option<i64>,
    /// Blocks that exactly one of these numbers of agents have.
    #[param(required = false)]
    connected_to_agents_count_eq: Vec<i64>,
    /// Also blocks that are hidden.
    #[param(required = false, default = false)]
    show_hidden_blocks: bool,
}

impl BlockQuery {
    /// Whether nothing at all is asked for.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The conditions.
    pub(crate) fn filter(self) -> Result<BlockFilter, ApiError> {
        check("label", self.label.as_deref(), 50, |c| c.is_ascii_alphanumeric() || "_/-".contains(c))?;
        check("label_search", self.label_search.as_deref(), 50, |c| c.is_ascii_alphanumeric() || "_/-".contains(c))?;
        check("name", self.name.as_deref(), 100, |c| c.is_ascii_alphanumeric() || " _-".contains(c))?;
        check("description_search", self.description_search.as_deref(), 200, |_| true)?;
        check("value_search", self.value_search.as_deref(), 200, |_| true)?;
        Ok(BlockFilter {
            label: self.label,
            label_search: self.label_search,
            description_search: self.description_search,
            value_search: self.value_search,
            template_name: self.name,
            is_template: Some(self.templates_only),
            project_id: self.project_id,
            tags: self.tags,
            match_all_tags: self.match_all_tags,
            agents_more_than: self.connected_to_agents_count_gt,
            agents_fewer_than: self.connected_to_agents_count_lt,
            agents_exactly: self.connected_to_agents_count_eq,
            identity_id: self.identity_id,
            identifier_keys: self.identifier_keys,
            show_hidden: self.show_hidden_blocks,
        })
    }
}

/// Refuses a text that no block could have.
fn check(name: &str, text: Option<&str>, longest: usize, allowed: fn(char) -> bool) -> Result<(), ApiError> {
    let Some(text) = text else { return Ok(()) };
    let (kind, msg) = if text.chars().count() > longest {
        ("string_too_long", format!("String should have at most {longest} characters"))
    } else if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
        ("string_pattern_mismatch", format!("The character '{}' cannot be part of this text", odd.escape_default()))
    } else {
        return Ok(());
    };
    let mut record = Record::new(kind, ["query", name]);
    record.msg = msg;
    record.set_input(text.into());
    Err(record.into())
}

/// List blocks.
///
/// All conditions must hold. Blocks can belong to many agents, or to none.
#[utoipa::path(
    get, path = "/v1/blocks/", tag = "blocks",
    params(Paging::<50, false>, BlockQuery),
    responses((status = 200, description = "A page of blocks.", body = Vec<BlockResponse>))
)]
pub(crate) async fn list_blocks(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, false>,
    Query(query): Query<BlockQuery>,
) -> Answer<Vec<BlockResponse>> {
    let filter = query.filter()?;
    let blocks = services.blocks().list(&actor, filter, paging.page).await?;
    Ok(Json(blocks.into_iter().map(Into::into).collect()))
}
