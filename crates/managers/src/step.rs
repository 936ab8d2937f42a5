//! Steps: one model call each, with its tools.

use muisti_orm::{
    Conn, Order, Page,
    messages::MessageFilter,
    runs,
    schema::{ModifyFeedbackRequest, Step, StepId, StepMetrics, WireMessage},
    steps::{self, StepFilter},
};

use crate::{Actor, Error, Result, Services, run};

/// Reads steps, and notes what users think of them.
pub struct StepManager<'a>(&'a Services);

impl Services {
    /// The steps of all runs.
    pub const fn steps(&self) -> StepManager<'_> {
        StepManager(self)
    }
}

impl StepManager<'_> {
    /// A page of steps by the time they began.
    ///
    /// # Errors
    /// 404 for an unknown cursor.
    pub async fn list(&self, actor: &Actor, filter: StepFilter, page: Page) -> Result<Vec<Step>> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| steps::list(conn, organization, &filter, &page).map_err(Error::from)).await
    }

    /// One step.
    ///
    /// # Errors
    /// 404 when there is no such step.
    pub async fn get(&self, actor: &Actor, id: StepId) -> Result<Step> {
        let actor = *actor;
        self.0.db().read(move |conn| get(conn, &actor, id)).await
    }

    /// How long the parts of a step took.
    ///
    /// # Errors
    /// 404 when there is no such step, or it has not ended.
    pub async fn metrics(&self, actor: &Actor, id: StepId) -> Result<StepMetrics> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            get(conn, &actor, id)?;
            let metrics = steps::metrics(conn, actor.organization_id, id)?;
            metrics.ok_or_else(|| Error::NotFound(format!("Step with id {id} has no metrics: it has not ended")))
        };
        self.0.db().read(read).await
    }

    /// Notes what a user thinks of a step. No feedback takes back what was noted; tags replace those of the step when
    /// there are any.
    ///
    /// # Errors
    /// 404 when there is no such step.
    pub async fn give_feedback(&self, actor: &Actor, id: StepId, request: ModifyFeedbackRequest) -> Result<Step> {
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            let tags = request.tags.filter(|tags| !tags.is_empty());
            steps::set_feedback(conn, actor.organization_id, id, request.feedback, tags.as_deref())?;
            get(conn, &actor, id)
        };
        self.0.db().write(write).await
    }

    /// A page of the messages of a step, its run's input among those of the first, shown as those of its run are. The
    /// cursors follow the order.
    ///
    /// # Errors
    /// 404 when there is no such step or cursor.
    pub async fn messages(&self, actor: &Actor, id: StepId, page: Page) -> Result<Vec<WireMessage>> {
        let actor = *actor;
        let page = match page.order {
            Order::Asc => page,
            Order::Desc => Page { after: page.before, before: page.after, ..page },
        };
        let read = move |conn: &mut Conn| {
            let step = get(conn, &actor, id)?;
            let run = step.run_id.map(|run| runs::get(conn, actor.organization_id, run)).transpose()?.flatten();
            let filter = MessageFilter { step_id: Some(id), ..Default::default() };
            run::shown(conn, actor.organization_id, &filter, step.agent_id, run.as_ref(), &page)
        };
        self.0.db().read(read).await
    }
}

fn get(conn: &mut Conn, actor: &Actor, id: StepId) -> Result<Step> {
    let step = steps::get(conn, actor.organization_id, id)?;
    step.ok_or_else(|| Error::NotFound(format!("Step with id {id} does not exist")))
}
