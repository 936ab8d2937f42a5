//! Traces: what model providers were asked and answered, and how a run's time was spent.
//!
//! - `recorder`: the queue and the task that writes, so that no turn waits for its trace.
//! - `record`: one call as it is stored; `shrink`: within a size.
//! - `spans`: the timings of a run in the form of OpenTelemetry.

mod record;
mod recorder;
mod shrink;
mod spans;

use std::{collections::HashMap, time::Duration};

use muisti_llm::LlmError;
use muisti_orm::{
    Order, Page,
    messages::{self, MessageFilter},
    runs,
    schema::{ProviderTrace, RunId, Span, StepId, Timestamp},
    traces,
};

use crate::{Actor, Error, Result, Services, run};
pub use record::{CallType, Outcome, Trace};
pub(crate) use recorder::Recorder;
pub(crate) use spans::trace_id;

/// How long traces are kept: they are large and hold what users said.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many old traces one transaction deletes.
const SWEPT: i64 = 500;
/// So many messages of a run are looked at for the names of the tools that it called.
const LOOKED_AT: i64 = 1_000;

/// Records and reads traces.
pub struct TraceManager<'a>(&'a Services);

impl Services {
    /// The traces of model calls.
    pub const fn traces(&self) -> TraceManager<'_> {
        TraceManager(self)
    }
}

impl TraceManager<'_> {
    /// Notes a model call, whether it went well or not. Returns at once; when more comes than can be written, or the
    /// operator does not want traces, the call is not noted.
    pub fn record(&self, trace: Trace) {
        self.0.trace_recorder().record(trace);
    }

    /// Whether calls are noted at all: if not, there is no need to make a [`Trace`].
    pub fn are_kept(&self) -> bool {
        self.0.settings().track_provider_trace
    }

    /// Waits until everything that was noted before is stored.
    pub async fn flush(&self) {
        self.0.trace_recorder().flush().await;
    }

    /// The model call of a step, the last one if there were several. `None` for a step that is not there or has none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of_step(&self, actor: &Actor, step: StepId) -> Result<Option<ProviderTrace>> {
        self.flush().await;
        let organization = actor.organization_id;
        self.0.db().read(move |conn| traces::of_step(conn, organization, step).map_err(Error::from)).await
    }

    /// How the time of a run was spent, in the order in which things began, at most `limit` of them. Empty when nothing
    /// is known of it.
    ///
    /// # Errors
    /// 404 when there is no such run.
    pub async fn of_run(&self, actor: &Actor, id: RunId, limit: usize) -> Result<Vec<Span>> {
        let organization = actor.organization_id;
        let read = move |conn: &mut muisti_orm::Conn| {
            let run = runs::get(conn, organization, id)?.ok_or_else(|| run::missing(id))?;
            let steps = traces::step_times(conn, organization, id)?;
            let filter = MessageFilter { run_id: Some(id), ..Default::default() };
            let messages = messages::list(conn, organization, &filter, &Page::first(LOOKED_AT, Order::Asc))?;
            let mut called: HashMap<StepId, Vec<String>> = HashMap::new();
            for message in messages {
                if let Some(step) = message.step_id {
                    let names = message.tool_calls.into_iter().map(|call| call.function.name);
                    called.entry(step).or_default().extend(names);
                }
            }
            let mut spans = spans::of_run(&run, &steps, &called);
            spans.truncate(limit);
            Ok(spans)
        };
        self.0.db().read(read).await
    }

    /// Deletes what is older than traces are kept, of all organizations. Costs one statement when there is nothing to
    /// delete, so it may be called often. Returns how many it deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self) -> Result<usize> {
        let before = Timestamp::from(Timestamp::now().utc() - KEPT);
        let db = self.0.db();
        let mut all = 0;
        loop {
            let deleted = db.write(move |conn| traces::delete_before(conn, before, SWEPT)).await?;
            all += deleted;
            if i64::try_from(deleted).is_ok_and(|deleted| deleted < SWEPT) {
                return Ok(all);
            }
        }
    }
}

impl From<&LlmError> for Outcome {
    fn from(error: &LlmError) -> Self {
        Self::Failed { error: error.to_string(), error_type: error.kind.as_str() }
    }
}
