//! The row of an identity.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    json::RawJson,
    row::Reader,
    schema::{Identity, IdentityType, Timestamp},
    tables::identities,
    text::{clean, clean_opt},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = identities, treat_none_as_default_value = false)]
pub(super) struct Record {
    id: String,
    organization_id: String,
    #[diesel(embed)]
    columns: Columns,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

/// What can change.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identities, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Columns {
    identifier_key: String,
    name: String,
    identity_type: String,
    project_id: Option<String>,
    properties: RawJson,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

impl Columns {
    pub(super) fn of(actor: &Actor, identity: &Identity, now: Timestamp) -> Result<Self> {
        let properties = RawJson::of(&identity.properties)?;
        let identity = identity.clone();
        Ok(Self {
            identifier_key: clean(identity.identifier_key),
            name: clean(identity.name),
            identity_type: identity.identity_type.to_string(),
            project_id: clean_opt(identity.project_id),
            properties,
            updated_at: now.naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

impl Record {
    pub(super) fn new(actor: &Actor, identity: &Identity) -> Result<Self> {
        let now = Timestamp::now();
        Ok(Self {
            id: identity.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            columns: Columns::of(actor, identity, now)?,
            created_at: now.naive(),
            created_by_id: Some(actor.user_id.to_string()),
        })
    }

    /// The identity, without its links.
    pub(super) fn read(self) -> Result<Identity> {
        let reader = Reader { model: MODEL, id: &self.id };
        let columns = self.columns;
        Ok(Identity {
            id: reader.id("id", &self.id)?,
            identifier_key: columns.identifier_key,
            name: columns.name,
            identity_type: IdentityType::lenient(&columns.identity_type),
            project_id: columns.project_id,
            agent_ids: Vec::new(),
            block_ids: Vec::new(),
            properties: reader.json("properties", &columns.properties)?,
        })
    }
}
