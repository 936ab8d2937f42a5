//! Folders of agents.

use super::{MODEL, record::Record};
use crate::schema::{Source, SourceId};

crate::attached::attached!(sources, sources_agents, source_id: SourceId => Source);
