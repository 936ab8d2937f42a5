//! Routes that hosted products built on the API use: other forms of public ones.

pub(crate) mod agents;
pub(crate) mod blocks;
pub(crate) mod runs;
pub(crate) mod templates;
