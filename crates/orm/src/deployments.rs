//! Deployments: what a template has made at one time, found by the name that it was made under.

use diesel::prelude::*;

use crate::{
    Conn, Result,
    connection::with_backend,
    schema::{DeploymentEntity, OrganizationId},
    tables,
};

/// The columns of a [`DeploymentEntity`], without its type.
type Row = (String, Option<String>, Option<String>, Option<String>, Option<String>);

/// A function that finds the entities in one table, from old to new: the columns that are their name, description
/// and name within the template may be null.
macro_rules! entities {
    ($(#[$doc:meta])* $table:ident as $kind:literal: $name:expr, $entity:expr) => {
        $(#[$doc])*
        pub fn $table(
            conn: &mut Conn,
            organization: OrganizationId,
            deployment: &str,
        ) -> Result<Vec<DeploymentEntity>> {
            use tables::$table as t;

            let rows: Vec<Row> = with_backend!(conn, c => {
                t::table
                    .filter(t::organization_id.eq(organization.to_string()))
                    .filter(t::deployment_id.eq(deployment))
                    .order((t::created_at, t::id))
                    .select((t::id, $name, t::description.nullable(), $entity, t::project_id))
                    .load(c)
            })?;
            Ok(rows.into_iter().map(|row| entity($kind, row)).collect())
        }
    };
}

fn entity(kind: &str, (id, name, description, entity_id, project_id): Row) -> DeploymentEntity {
    DeploymentEntity { id, r#type: kind.to_owned(), name, description, entity_id, project_id }
}

const NOTHING: Option<String> = None;

entities! {
    /// The blocks, by their labels.
    blocks as "block": t::label.nullable(), t::entity_id
}

entities! {
    /// The agents, hidden ones included.
    agents as "agent": t::name.nullable(), t::entity_id
}

entities! {
    /// The groups, which have no names.
    groups as "group": NOTHING.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>(),
    NOTHING.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>()
}
