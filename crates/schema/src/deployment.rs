//! Deployments: what a template has made at one time.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{AllOfBuilder, Ref, RefOr, Schema},
};

/// A thing that belongs to a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentEntity {
    /// The id.
    pub id: String,
    /// What it is: `block`, `agent` or `group`.
    pub r#type: String,
    /// The name of an agent, the label of a block; groups have none.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it is called in its template; groups have no such name.
    pub entity_id: Option<String>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
}

/// What belongs to a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListDeploymentEntitiesResponse {
    /// Blocks, then agents, then groups, each kind from old to new.
    #[serde(default)]
    #[schema(default = json!([]))]
    pub entities: Vec<DeploymentEntity>,
    /// How many there are.
    pub total_count: i64,
    /// The deployment.
    pub deployment_id: String,
    /// The same in words.
    pub message: String,
}

/// What was deleted with a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeleteDeploymentResponse {
    /// The ids of the blocks.
    #[serde(default)]
    #[schema(default = json!([]))]
    pub deleted_blocks: Vec<String>,
    /// The ids of the agents.
    #[serde(default)]
    #[schema(default = json!([]))]
    pub deleted_agents: Vec<String>,
    /// The ids of the groups.
    #[serde(default)]
    #[schema(default = json!([]))]
    pub deleted_groups: Vec<String>,
    /// The same in words, with what could not be deleted.
    pub message: String,
}

/// What must be known of a thing that a template makes.
#[derive(ToSchema)]
#[allow(dead_code)]
struct TemplateIds {
    /// The template that it is made from.
    template_id: String,
    /// The template that this template was made from.
    base_template_id: String,
    /// The deployment that makes it.
    deployment_id: String,
    /// What it is called in its template.
    entity_id: String,
}

/// The schema of a `T` that a template makes.
pub(crate) fn made_from_template<T: ToSchema>(description: &str) -> RefOr<Schema> {
    let general = Ref::from_schema_name(T::name());
    AllOfBuilder::new().item(general).item(TemplateIds::schema()).description(Some(description)).into()
}

/// The components that this schema refers to.
pub(crate) fn parts<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
