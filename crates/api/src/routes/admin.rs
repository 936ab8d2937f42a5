//! Organizations and users. Not part of the public document, as in the reference.

pub(crate) mod organizations;
pub(crate) mod users;
