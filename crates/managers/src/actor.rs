//! On whose behalf something is done.

use uuid::Uuid;

pub use crate::orm::Actor;
use crate::{
    Services,
    error::{Error, Result},
    orm,
    schema::{OrganizationId, UserId},
};

/// The uuid that the default organization and the default user share.
const DEFAULT: Uuid = Uuid::from_u128(0x00000000_0000_4000_8000_000000000000);

/// The organization that everything belongs to on a server for one party.
pub const DEFAULT_ORGANIZATION: OrganizationId = OrganizationId::from_uuid(DEFAULT);

/// The user that acts when a request names none.
pub const DEFAULT_USER: UserId = UserId::from_uuid(DEFAULT);

/// The default user in the default organization.
pub const DEFAULT_ACTOR: Actor = Actor { organization_id: DEFAULT_ORGANIZATION, user_id: DEFAULT_USER };

const DEFAULT_ORGANIZATION_NAME: &str = "default_org";
const DEFAULT_USER_NAME: &str = "default_user";

impl Services {
    /// Who acts when a request names this user, or none.
    ///
    /// # Errors
    /// 404 for an unknown user, and when the server wants every request to name a user of its own.
    pub async fn actor(&self, user: Option<UserId>) -> Result<Actor> {
        match user.filter(|user| *user != DEFAULT_USER) {
            None if self.settings().no_default_actor => {
                Err(Error::NotFound("Non-default Actor ID is required when no_default_actor is enabled".to_owned()))
            }
            None => Ok(DEFAULT_ACTOR),
            Some(user_id) => {
                let row = self.db().read(move |conn| orm::users::get(conn, user_id)).await?;
                let row = row.ok_or_else(|| Error::NotFound(format!("User not found with id={user_id}")))?;
                Ok(Actor { organization_id: row.organization_id, user_id })
            }
        }
    }
}

/// Makes the default organization and user, unless they are there.
pub(crate) fn ensure_defaults(conn: &mut orm::Conn) -> Result<()> {
    orm::organizations::ensure(conn, DEFAULT_ORGANIZATION, DEFAULT_ORGANIZATION_NAME)?;
    orm::users::ensure(conn, DEFAULT_USER, DEFAULT_ORGANIZATION, DEFAULT_USER_NAME)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_ids_have_the_form_of_ids() {
        assert_eq!(DEFAULT_ORGANIZATION.to_string(), "org-00000000-0000-4000-8000-000000000000");
        assert_eq!(DEFAULT_USER.to_string().parse::<UserId>(), Ok(DEFAULT_USER));
    }
}
