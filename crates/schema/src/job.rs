//! Jobs: work in the background that is not a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{AgentId, JobId, JobStatus, JobType, StopReason, StoredMessage, Timestamp, UserId};

macro_rules! jobs {
    ($($(#[$meta:meta])* $name:ident is $job_type:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        pub struct $name {
            /// The id.
            pub id: JobId,
            /// How far it has come.
            #[serde(default = "created")]
            #[schema(required = false)]
            pub status: JobStatus,
            /// When it was made.
            #[serde(default = "Timestamp::now")]
            pub created_at: Timestamp,
            /// When it was last changed.
            #[serde(default)]
            pub updated_at: Option<Timestamp>,
            /// When it ended.
            #[serde(default)]
            pub completed_at: Option<Timestamp>,
            /// Why it stopped.
            #[serde(default)]
            pub stop_reason: Option<StopReason>,
            /// More about it.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            pub metadata: Option<Map<String, Value>>,
            /// What it does.
            #[serde(default = $job_type)]
            #[schema(required = false)]
            pub job_type: JobType,
            /// Whether it goes on without the client.
            #[serde(default)]
            pub background: Option<bool>,
            /// The agent that works on it.
            #[serde(default)]
            pub agent_id: Option<AgentId>,
            /// Where to post that it is done.
            #[serde(default)]
            pub callback_url: Option<String>,
            /// When that was posted.
            #[serde(default)]
            pub callback_sent_at: Option<Timestamp>,
            /// How the receiver answered.
            #[serde(default)]
            pub callback_status_code: Option<i64>,
            /// Why it could not be posted.
            #[serde(default)]
            pub callback_error: Option<String>,
            /// Nanoseconds to the first piece of an answer.
            #[serde(default)]
            pub ttft_ns: Option<i64>,
            /// Nanoseconds from start to end.
            #[serde(default)]
            pub total_duration_ns: Option<i64>,
            /// Who made it.
            #[serde(default)]
            pub created_by_id: Option<UserId>,
            /// Who last changed it.
            #[serde(default)]
            pub last_updated_by_id: Option<UserId>,
        }
    )*};
}

const fn job() -> JobType {
    JobType::Job
}

const fn batch() -> JobType {
    JobType::Batch
}

const fn created() -> JobStatus {
    JobStatus::Created
}

jobs! {
    /// A job.
    Job is "job";
    /// A batch of requests to many agents.
    BatchJob is "batch";
}

/// The messages of a batch, as they are stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LettaBatchMessages)]
pub struct BatchMessages {
    /// The messages.
    pub messages: Vec<StoredMessage>,
}
