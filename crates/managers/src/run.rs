//! Runs: what requests have made agents do.

use std::time::{Duration, Instant};

use muisti_orm::{
    Conn, Order, Page, agents,
    messages::{self, MessageFilter},
    runs::{self, RunFilter, RunSort},
    schema::{
        AgentId, OrganizationId, Run, RunId, RunMetrics, RunStatus, RunUsage, Step, WireMessage, WireOptions,
        to_wire_list,
    },
    steps::{self, StepFilter},
};

use crate::{Actor, Error, Result, Services, message::speaks_in_text};

/// How long a cancelled run may take to be wound up before a request to delete it is refused, and how often to look.
const WINDING_UP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// How many active runs are listed without a page.
const ACTIVE: i64 = 100;

/// Reads runs.
pub struct RunManager<'a>(&'a Services);

impl Services {
    /// The runs of all agents.
    pub const fn runs(&self) -> RunManager<'_> {
        RunManager(self)
    }
}

impl RunManager<'_> {
    /// A page of runs by the time they began.
    ///
    /// Newest first, `before` means older, as `after` does: clients read on with the one or the other.
    ///
    /// # Errors
    /// 404 for an unknown cursor.
    pub async fn list(&self, actor: &Actor, filter: RunFilter, page: Page) -> Result<Vec<Run>> {
        self.list_by(actor, filter, RunSort::CreatedAt, page).await
    }

    /// [`Self::list`], sorted as asked.
    ///
    /// # Errors
    /// 404 for an unknown cursor.
    pub async fn list_by(&self, actor: &Actor, filter: RunFilter, sort: RunSort, mut page: Page) -> Result<Vec<Run>> {
        if page.order == Order::Desc {
            let before = page.before.take();
            page.after = page.after.or(before);
        }
        let organization = actor.organization_id;
        self.0.db().read(move |conn| runs::list_by(conn, organization, &filter, sort, &page).map_err(Error::from)).await
    }

    /// The newest runs that are going.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn active(&self, actor: &Actor, agent: Option<AgentId>, background: Option<bool>) -> Result<Vec<Run>> {
        let filter = RunFilter {
            agent_ids: agent.into_iter().collect(),
            statuses: RunStatus::GOING.to_vec(),
            background,
            ..Default::default()
        };
        self.list(actor, filter, Page::first(ACTIVE, Order::Desc)).await
    }

    /// One run.
    ///
    /// # Errors
    /// 404 when there is no such run.
    pub async fn get(&self, actor: &Actor, id: RunId) -> Result<Run> {
        let actor = *actor;
        self.0.db().read(move |conn| get(conn, &actor, id)).await
    }

    /// How long a run took, and what it used.
    ///
    /// # Errors
    /// 404 when there is no such run.
    pub async fn metrics(&self, actor: &Actor, id: RunId) -> Result<RunMetrics> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| runs::metrics(conn, organization, id)?.ok_or_else(|| missing(id))).await
    }

    /// Deletes a run. What it said and did stays: its messages and steps are those of no run from now on. One that was
    /// cancelled just now is waited for, until nobody works on it any more.
    ///
    /// # Errors
    /// 404 when there is no such run, 409 while it is going.
    pub async fn delete(&self, actor: &Actor, id: RunId) -> Result<()> {
        let actor = *actor;
        let deadline = Instant::now() + WINDING_UP;
        let delete = move |conn: &mut Conn| {
            let run = get(conn, &actor, id)?;
            let deleted = runs::delete(conn, actor.organization_id, id)?;
            Ok::<_, Error>((!deleted).then_some(run.status))
        };
        loop {
            match self.0.db().write(delete).await? {
                None => return Ok(()),
                Some(status) if !status.is_going() && Instant::now() < deadline => tokio::time::sleep(POLL).await,
                Some(status) => {
                    return Err(Error::Conflict(format!(
                        "Run {id} is {status} and cannot be deleted before it has ended. Cancel it first, or wait."
                    )));
                }
            }
        }
    }

    /// A page of the messages of a run, its input among them, shown as the request asked for.
    ///
    /// # Errors
    /// 404 when there is no such run or cursor.
    pub async fn messages(&self, actor: &Actor, id: RunId, page: Page) -> Result<Vec<WireMessage>> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            let run = get(conn, &actor, id)?;
            wire_messages(conn, actor.organization_id, &run, &page)
        };
        self.0.db().read(read).await
    }

    /// The tokens of all steps of a run.
    ///
    /// # Errors
    /// 404 when there is no such run.
    pub async fn usage(&self, actor: &Actor, id: RunId) -> Result<RunUsage> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            get(conn, &actor, id)?;
            steps::usage(conn, actor.organization_id, id).map_err(Error::from)
        };
        self.0.db().read(read).await
    }

    /// A page of the steps of a run.
    ///
    /// # Errors
    /// 404 when there is no such run or cursor.
    pub async fn steps(&self, actor: &Actor, id: RunId, page: Page) -> Result<Vec<Step>> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            get(conn, &actor, id)?;
            let filter = StepFilter { run_id: Some(id), ..Default::default() };
            steps::list(conn, actor.organization_id, &filter, &page).map_err(Error::from)
        };
        self.0.db().read(read).await
    }
}

/// A page of the messages of a run, shown as its request asked for.
pub(crate) fn wire_messages(
    conn: &mut Conn,
    organization: OrganizationId,
    run: &Run,
    page: &Page,
) -> Result<Vec<WireMessage>> {
    let filter = MessageFilter { run_id: Some(run.id), ..Default::default() };
    shown(conn, organization, &filter, Some(run.agent_id), Some(run), page)
}

/// A page of messages, shown as the request of their run asked for, as far as their agent and run are still there.
pub(crate) fn shown(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &MessageFilter,
    agent: Option<AgentId>,
    run: Option<&Run>,
    page: &Page,
) -> Result<Vec<WireMessage>> {
    let agent = agent.map(|agent| agents::get(conn, organization, agent)).transpose()?.flatten();
    let messages = messages::list(conn, organization, filter, page)?;
    let text_is_assistant = agent.is_none_or(|agent| speaks_in_text(agent.agent_type));
    let config = run.and_then(|run| run.request_config.clone()).unwrap_or_default();
    let options = WireOptions { reversed: page.order == Order::Desc, ..config.wire_options(text_is_assistant) };
    Ok(to_wire_list(&messages, &options))
}

fn get(conn: &mut Conn, actor: &Actor, id: RunId) -> Result<Run> {
    let run = runs::get(conn, actor.organization_id, id)?;
    run.ok_or_else(|| missing(id))
}

pub(crate) fn missing(id: RunId) -> Error {
    Error::NotFound(format!("Run with id {id} not found"))
}
