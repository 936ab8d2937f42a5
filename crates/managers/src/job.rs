//! Jobs: work in the background that is not a run. A user sees their own.

use muisti_orm::{
    Conn, Order, Page,
    jobs::{self, JobFilter},
    schema::{Job, JobId},
};

use crate::{Actor, Error, Result, Services};

/// Reads and ends jobs.
#[derive(Debug, Clone, Copy)]
pub struct JobManager<'a>(&'a Services);

impl Services {
    /// The jobs of all users.
    pub const fn jobs(&self) -> JobManager<'_> {
        JobManager(self)
    }
}

impl JobManager<'_> {
    /// A page of the actor's jobs by the time they were made. `before` means older and `after` newer, whatever the order.
    ///
    /// # Errors
    /// 400 for an unknown cursor.
    pub async fn list(&self, actor: &Actor, filter: JobFilter, mut page: Page) -> Result<Vec<Job>> {
        if page.order == Order::Desc {
            std::mem::swap(&mut page.before, &mut page.after);
        }
        let actor = *actor;
        let read = move |conn: &mut Conn| jobs::list(conn, &actor, &filter, &page);
        self.0.db().read(read).await.map_err(|error| match error {
            muisti_orm::Error::CursorNotFound { id, .. } => Error::BadRequest(missing(&id)),
            other => other.into(),
        })
    }

    /// One job.
    ///
    /// # Errors
    /// 404 when the actor has no such job.
    pub async fn get(&self, actor: &Actor, id: JobId) -> Result<Job> {
        let actor = *actor;
        self.0.db().read(move |conn| get(conn, &actor, id)).await
    }

    /// Ends a job as cancelled. One that has ended stays as it is.
    ///
    /// # Errors
    /// 404 when the actor has no such job.
    pub async fn cancel(&self, actor: &Actor, id: JobId) -> Result<Job> {
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            jobs::cancel(conn, &actor, id)?;
            get(conn, &actor, id)
        };
        self.0.db().write(write).await
    }

    /// Deletes a job, and gives what it was.
    ///
    /// # Errors
    /// 404 when the actor has no such job.
    pub async fn delete(&self, actor: &Actor, id: JobId) -> Result<Job> {
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            let job = get(conn, &actor, id)?;
            jobs::delete(conn, &actor, id)?;
            Ok(job)
        };
        self.0.db().write(write).await
    }
}

fn get(conn: &mut Conn, actor: &Actor, id: JobId) -> Result<Job> {
    jobs::get(conn, actor, id)?.ok_or_else(|| Error::NotFound(missing(&id.to_string())))
}

fn missing(id: &str) -> String {
    format!("Job with id {id} not found")
}
