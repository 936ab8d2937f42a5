//! Agents as models, for clients of OpenAI.

pub(crate) mod completions;
mod failure;
mod frames;
pub(crate) mod voice;
