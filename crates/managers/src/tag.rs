//! Tags of agents and blocks.

use crate::{
    Actor, Services,
    error::Result,
    orm::{self, Page},
};

/// The tags that are in use.
#[derive(Debug, Clone, Copy)]
pub struct TagManager<'a>(&'a Services);

impl Services {
    /// The tags that are in use.
    pub fn tags(&self) -> TagManager<'_> {
        TagManager(self)
    }
}

impl TagManager<'_> {
    /// A page of the distinct tags, by code point. A cursor is a tag, which need not exist; `part` is a part of the
    /// tag in any case.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, actor: &Actor, part: Option<String>, page: Page) -> Result<Vec<String>> {
        let organization = actor.organization_id;
        let part = part.filter(|part| !part.is_empty());
        self.0.db().read(move |conn| Ok(orm::tags::list(conn, organization, part.as_deref(), &page)?)).await
    }
}
