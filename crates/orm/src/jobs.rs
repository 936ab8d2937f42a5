//! Jobs: work in the background that is not a run. They belong to a user.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::Value;

use crate::{
    Actor, Conn, Page, Result,
    connection::with_backend,
    json::RawJson,
    page::{Key, load_page},
    row::{Reader, changed, readable, user},
    schema::{Job, JobId, JobStatus, JobType, StopReason, Timestamp},
    tables::jobs as t,
    text::clean_opt,
};

const MODEL: &str = "Job";

/// The states of a job that goes on.
const ACTIVE: [&str; 2] = [JobStatus::Created.as_str(), JobStatus::Running.as_str()];

/// The states that a job does not leave.
const ENDED: [&str; 4] = [
    JobStatus::Completed.as_str(),
    JobStatus::Failed.as_str(),
    JobStatus::Cancelled.as_str(),
    JobStatus::Expired.as_str(),
];

/// Which jobs a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Those that go on.
    pub active: bool,
    /// Those whose metadata names this folder.
    pub source_id: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = t, treat_none_as_default_value = false)]
struct Record {
    id: String,
    organization_id: String,
    user_id: String,
    job_type: String,
    status: String,
    stop_reason: Option<String>,
    metadata: Option<RawJson>,
    source_id: Option<String>,
    background: Option<bool>,
    agent_id: Option<String>,
    callback_url: Option<String>,
    callback_sent_at: Option<NaiveDateTime>,
    callback_status_code: Option<i32>,
    callback_error: Option<String>,
    ttft_ns: Option<i64>,
    total_duration_ns: Option<i64>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    completed_at: Option<NaiveDateTime>,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl Record {
    fn new(actor: &Actor, job: &Job) -> Result<Self> {
        let source = job.metadata.as_ref().and_then(|metadata| metadata.get("source_id")).and_then(Value::as_str);
        Ok(Self {
            id: job.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            user_id: actor.user_id.to_string(),
            job_type: job.job_type.to_string(),
            status: job.status.to_string(),
            stop_reason: job.stop_reason.map(|reason| reason.to_string()),
            metadata: RawJson::of_opt(job.metadata.as_ref())?,
            source_id: clean_opt(source.map(str::to_owned)),
            background: job.background,
            agent_id: job.agent_id.map(|id| id.to_string()),
            callback_url: clean_opt(job.callback_url.clone()),
            callback_sent_at: job.callback_sent_at.map(Timestamp::naive),
            callback_status_code: job.callback_status_code.and_then(|status| status.try_into().ok()),
            callback_error: clean_opt(job.callback_error.clone()),
            ttft_ns: job.ttft_ns,
            total_duration_ns: job.total_duration_ns,
            created_at: job.created_at.naive(),
            updated_at: job.updated_at.unwrap_or(job.created_at).naive(),
            completed_at: job.completed_at.map(Timestamp::naive),
            created_by_id: Some(actor.user_id.to_string()),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }

    fn read(self) -> Result<Job> {
        let reader = Reader { model: MODEL, id: &self.id };
        Ok(Job {
            id: reader.id("id", &self.id)?,
            // A state of another version is one that this server will not carry on.
            status: self.status.parse().unwrap_or(JobStatus::Failed),
            created_at: self.created_at.into(),
            updated_at: Some(self.updated_at.into()),
            completed_at: self.completed_at.map(Into::into),
            stop_reason: self.stop_reason.as_deref().map(StopReason::lenient),
            metadata: reader.json_opt("metadata", self.metadata.as_ref())?,
            job_type: self.job_type.parse().unwrap_or(JobType::Job),
            background: self.background,
            agent_id: self.agent_id.and_then(|id| id.parse().ok()),
            callback_url: self.callback_url,
            callback_sent_at: self.callback_sent_at.map(Into::into),
            callback_status_code: self.callback_status_code.map(i64::from),
            callback_error: self.callback_error,
            ttft_ns: self.ttft_ns,
            total_duration_ns: self.total_duration_ns,
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(self.last_updated_by_id),
        })
    }
}

/// Stores a new job of the actor.
pub fn insert(conn: &mut Conn, actor: &Actor, job: &Job) -> Result<()> {
    let record = Record::new(actor, job)?;
    with_backend!(conn, c => diesel::insert_into(t::table).values(&record).execute(c))?;
    Ok(())
}

/// The actor's job with this id.
pub fn get(conn: &mut Conn, actor: &Actor, id: JobId) -> Result<Option<Job>> {
    let record: Option<Record> = with_backend!(conn, c => {
        t::table
            .find(id.to_string())
            .filter(t::organization_id.eq(actor.organization_id.to_string()))
            .filter(t::user_id.eq(actor.user_id.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// A page of the actor's plain jobs that match, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, actor: &Actor, filter: &JobFilter, page: &Page) -> Result<Vec<Job>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            t::table
                .find(cursor)
                .filter(t::organization_id.eq(actor.organization_id.to_string()))
                .filter(t::user_id.eq(actor.user_id.to_string()))
                .select(t::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let mut query = t::table
            .filter(t::organization_id.eq(actor.organization_id.to_string()))
            .filter(t::user_id.eq(actor.user_id.to_string()))
            .filter(t::job_type.eq(JobType::Job.as_str()))
            .select(Record::as_select())
            .into_boxed();
        if filter.active {
            query = query.filter(t::status.eq_any(ACTIVE));
        }
        if let Some(source) = &filter.source_id {
            query = query.filter(t::source_id.eq(source));
        }
        load_page!(c, query, &window, t::created_at, t::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// Ends the job as cancelled, unless it has ended already.
pub fn cancel(conn: &mut Conn, actor: &Actor, id: JobId) -> Result<()> {
    let now = Timestamp::now().naive();
    let going = t::table
        .find(id.to_string())
        .filter(t::organization_id.eq(actor.organization_id.to_string()))
        .filter(t::user_id.eq(actor.user_id.to_string()))
        .filter(t::status.ne_all(ENDED));
    let change = (
        t::status.eq(JobStatus::Cancelled.as_str()),
        t::completed_at.eq(now),
        t::updated_at.eq(now),
        t::last_updated_by_id.eq(actor.user_id.to_string()),
    );
    with_backend!(conn, c => diesel::update(going).set(change).execute(c))?;
    Ok(())
}

/// Deletes the job. False when there is no such job.
pub fn delete(conn: &mut Conn, actor: &Actor, id: JobId) -> Result<bool> {
    let job = t::table
        .find(id.to_string())
        .filter(t::organization_id.eq(actor.organization_id.to_string()))
        .filter(t::user_id.eq(actor.user_id.to_string()));
    Ok(changed(with_backend!(conn, c => diesel::delete(job).execute(c))?))
}
