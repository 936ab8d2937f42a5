//! Organizations, the tenants of a server, and their users.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{OrganizationId, Timestamp, UserId};

/// A tenant: what belongs to one is invisible to the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// The id.
    pub id: OrganizationId,
    /// The name; not unique.
    pub name: String,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Whether its tools run on this machine even where a remote sandbox is configured.
    #[serde(default)]
    #[schema(default = false)]
    pub privileged_tools: bool,
}

/// A new organization.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OrganizationCreate {
    /// The name; a made-up one when absent.
    pub name: Option<String>,
    /// Whether its tools run on this machine even where a remote sandbox is configured.
    pub privileged_tools: Option<bool>,
}

/// What to change of an organization; what is absent or null stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OrganizationUpdate {
    /// The new name.
    pub name: Option<String>,
    /// Whether its tools run on this machine even where a remote sandbox is configured.
    pub privileged_tools: Option<bool>,
}

/// A user: on whose behalf requests are carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The id, which requests name in the header `user_id`.
    pub id: UserId,
    /// The organization that the user belongs to.
    pub organization_id: OrganizationId,
    /// The name; not unique.
    pub name: String,
    /// When the user was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When the user was last changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// Always false; kept for old clients.
    #[serde(default)]
    #[schema(default = false)]
    pub is_deleted: bool,
}

/// A new user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserCreate {
    /// The name.
    pub name: String,
    /// The organization that the user belongs to.
    pub organization_id: OrganizationId,
}

/// What to change of a user; what is absent or null stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserUpdate {
    /// Which user.
    pub id: UserId,
    /// The new name.
    #[serde(default)]
    pub name: Option<String>,
    /// The organization to move to. What the user made stays in the old one.
    #[serde(default)]
    pub organization_id: Option<OrganizationId>,
}
