//! Organizations and users: what the operator of a server decides.

use crate::{
    DEFAULT_ORGANIZATION, DEFAULT_USER, Services,
    agent::name,
    error::{Error, Result},
    orm::{self, Conn, Page, organizations::OrganizationRow, users::UserRow},
    schema::{
        Organization, OrganizationCreate, OrganizationId, OrganizationUpdate, User, UserCreate, UserId, UserUpdate,
    },
    tool,
};

/// What is done with organizations and users. There is no actor: this is above all organizations.
#[derive(Debug, Clone, Copy)]
pub struct AdminManager<'a>(&'a Services);

impl Services {
    /// Organizations and users.
    pub const fn admin(&self) -> AdminManager<'_> {
        AdminManager(self)
    }
}

impl AdminManager<'_> {
    /// A page of the organizations, sorted by their age.
    ///
    /// # Errors
    /// 404 for an unknown cursor.
    pub async fn organizations(&self, page: Page) -> Result<Vec<Organization>> {
        let rows = self.0.db().read(move |conn| Ok::<_, Error>(orm::organizations::list(conn, &page)?)).await?;
        Ok(rows.into_iter().map(organization).collect())
    }

    /// Makes an organization with the built-in tools. Without a name it gets one made up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_organization(&self, request: OrganizationCreate) -> Result<Organization> {
        let id = OrganizationId::random();
        let write = move |conn: &mut Conn| {
            let name = request.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(name::generate);
            orm::organizations::ensure(conn, id, &name)?;
            orm::organizations::update(conn, id, None, request.privileged_tools)?;
            let actor = crate::Actor { organization_id: id, user_id: DEFAULT_USER };
            tool::base::register(conn, &actor)?;
            get_organization(conn, id)
        };
        self.0.db().write(write).await
    }

    /// Changes an organization.
    ///
    /// # Errors
    /// 404.
    pub async fn update_organization(&self, id: OrganizationId, change: OrganizationUpdate) -> Result<Organization> {
        let write = move |conn: &mut Conn| {
            orm::organizations::update(conn, id, change.name, change.privileged_tools)?;
            get_organization(conn, id)
        };
        self.0.db().write(write).await
    }

    /// Deletes an organization with its users and all that belongs to it, and gives what it was.
    ///
    /// # Errors
    /// 404; 409 for the default one, which requests without a user need.
    pub async fn delete_organization(&self, id: OrganizationId) -> Result<Organization> {
        if id == DEFAULT_ORGANIZATION {
            return Err(Error::Conflict(
                "The default organization cannot be deleted: requests that name no user need it.".to_owned(),
            ));
        }
        let write = move |conn: &mut Conn| {
            let deleted = get_organization(conn, id)?;
            orm::organizations::delete(conn, id)?;
            Ok(deleted)
        };
        self.0.db().write(write).await
    }

    /// A page of the users of all organizations, sorted by their age.
    ///
    /// # Errors
    /// 404 for an unknown cursor.
    pub async fn users(&self, page: Page) -> Result<Vec<User>> {
        let rows = self.0.db().read(move |conn| Ok::<_, Error>(orm::users::list(conn, &page)?)).await?;
        Ok(rows.into_iter().map(user).collect())
    }

    /// Makes a user.
    ///
    /// # Errors
    /// 404 for an unknown organization.
    pub async fn create_user(&self, request: UserCreate) -> Result<User> {
        let write = move |conn: &mut Conn| {
            get_organization(conn, request.organization_id)?;
            let id = UserId::random();
            orm::users::ensure(conn, id, request.organization_id, &request.name)?;
            get_user(conn, id)
        };
        self.0.db().write(write).await
    }

    /// Changes a user's name or moves the user to another organization.
    ///
    /// # Errors
    /// 404 for the user or the organization.
    pub async fn update_user(&self, change: UserUpdate) -> Result<User> {
        let write = move |conn: &mut Conn| {
            if let Some(organization) = change.organization_id {
                get_organization(conn, organization)?;
            }
            orm::users::update(conn, change.id, change.name, change.organization_id)?;
            get_user(conn, change.id)
        };
        self.0.db().write(write).await
    }

    /// Deletes a user, and gives what it was. What it has made stays with its organization.
    ///
    /// # Errors
    /// 404; 409 for the default one, as which requests act that name no user.
    pub async fn delete_user(&self, id: UserId) -> Result<User> {
        if id == DEFAULT_USER {
            return Err(Error::Conflict(
                "The default user cannot be deleted: requests that name no user act as it.".to_owned(),
            ));
        }
        let write = move |conn: &mut Conn| {
            let deleted = get_user(conn, id)?;
            orm::users::delete(conn, id)?;
            Ok(deleted)
        };
        self.0.db().write(write).await
    }
}

fn get_organization(conn: &mut Conn, id: OrganizationId) -> Result<Organization> {
    let row = orm::organizations::get(conn, id)?;
    row.map(organization).ok_or_else(|| Error::missing("Organization", id))
}

fn get_user(conn: &mut Conn, id: UserId) -> Result<User> {
    let row = orm::users::get(conn, id)?;
    row.map(user).ok_or_else(|| Error::missing("User", id))
}

fn organization(row: OrganizationRow) -> Organization {
    Organization {
        id: row.id,
        name: row.name,
        created_at: Some(row.created_at),
        privileged_tools: row.privileged_tools,
    }
}

fn user(row: UserRow) -> User {
    User {
        id: row.id,
        organization_id: row.organization_id,
        name: row.name,
        created_at: Some(row.created_at),
        updated_at: Some(row.updated_at),
        is_deleted: false,
    }
}
