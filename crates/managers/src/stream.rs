//! Reading the stored streams of background runs.

use std::time::Duration;

use muisti_orm::{
    frames, runs,
    schema::{OrganizationId, RetrieveStreamRequest, Run, RunId, Timestamp},
};

use crate::{
    Actor, Error, FieldError, HistoryName, Result, Services,
    frames::{KEPT, StoredStream, kept_since},
    run,
};

/// How long to wait before a run is looked for once more by the client's own id: the request may just be coming in.
const TRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// Reads the streams of background runs, while they go on and for three hours after they began.
pub struct StreamManager<'a>(&'a Services);

impl Services {
    /// The stored streams.
    pub const fn streams(&self) -> StreamManager<'_> {
        StreamManager(self)
    }
}

impl StreamManager<'_> {
    /// The stream of a run, behind the place that the request names. What else it names is not looked at.
    ///
    /// # Errors
    /// 404 for an unknown run, 400 for one that is not a background run, 410 when it has ended and began more than
    /// three hours ago.
    pub async fn of_run(&self, actor: &Actor, run: RunId, request: &RetrieveStreamRequest) -> Result<StoredStream> {
        check(request)?;
        let organization = actor.organization_id;
        let found = self.0.db().read(move |conn| runs::get(conn, organization, run)).await?;
        let found = found.ok_or_else(|| run::missing(run))?;
        readable(&found, kept_since())?;
        Ok(self.0.frames().read(run, request.starting_after))
    }

    /// The stream of a run of a history: of the run that the request names, or of the one that the message with the
    /// client's own id has made, or else of the newest one that is going.
    ///
    /// # Errors
    /// As [`Self::of_run`]; 404 for an unknown id of the client, 400 when nothing is going.
    pub async fn of_history(
        &self,
        actor: &Actor,
        history: HistoryName,
        request: &RetrieveStreamRequest,
    ) -> Result<StoredStream> {
        check(request)?;
        let key = match history {
            HistoryName::Conversation(conversation) => conversation.to_string(),
            HistoryName::Agent(agent) => agent.to_string(),
            HistoryName::Default => request.agent_id.map(|agent| agent.to_string()).ok_or_else(|| {
                Error::InvalidArgument(
                    "The conversation 'default' is one of an agent: name it with agent_id in the body.".to_owned(),
                )
            })?,
        };
        let organization = actor.organization_id;
        let run = match (request.run_id, &request.otid) {
            (Some(run), _) => run,
            (None, Some(otid)) => self.by_otid(organization, &key, otid).await?,
            (None, None) => {
                let going = self.0.db().read(move |conn| runs::newest_going(conn, organization, &key)).await?;
                going.ok_or_else(|| Error::InvalidArgument("No active runs found for this conversation.".to_owned()))?
            }
        };
        self.of_run(actor, run, request).await
    }

    async fn by_otid(&self, organization: OrganizationId, key: &str, otid: &str) -> Result<RunId> {
        let mut tries = TRIES.iter();
        loop {
            let (key, id): (String, String) = (key.to_owned(), otid.to_owned());
            let look = move |conn: &mut muisti_orm::Conn| frames::by_otid(conn, organization, &key, &id, kept_since());
            if let Some(run) = self.0.db().read(look).await? {
                return Ok(run);
            }
            let Some(pause) = tries.next() else { break };
            tokio::time::sleep(*pause).await;
        }
        Err(Error::NotFound(format!("No run found for otid={otid}. The run may have expired or never existed.")))
    }
}

/// Whether a run has a stream that is kept. As long as a run goes on, it is.
fn readable(run: &Run, kept_since: Timestamp) -> Result<()> {
    if run.background != Some(true) {
        let text = "Run was not created in background mode, so it cannot be retrieved.";
        return Err(Error::InvalidArgument(text.to_owned()));
    }
    if !run.status.is_going() && run.created_at < kept_since {
        let hours = KEPT.as_secs() / 3600;
        return Err(Error::Expired(format!("Run was created more than {hours} hours ago, and is now expired.")));
    }
    Ok(())
}

/// What clients say about polling is a hint that nobody needs here, but it must make sense.
fn check(request: &RetrieveStreamRequest) -> Result<()> {
    let mut errors = Vec::new();
    if request.batch_size.is_some_and(|size| size <= 0) {
        errors.push(FieldError::body("batch_size", "batch_size must be greater than 0."));
    }
    if request.poll_interval.is_some_and(|seconds| seconds <= 0.0) {
        errors.push(FieldError::body("poll_interval", "poll_interval must be a number of seconds greater than 0."));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Unprocessable(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_expires_three_hours_after_its_run_was_made_unless_the_run_goes_on() {
        let run = |status: &str, background: bool, minutes: i64| -> Run {
            let made = Timestamp::now().utc() - chrono::Duration::minutes(minutes);
            serde_json::from_value(serde_json::json!({
                "id": RunId::random(), "agent_id": muisti_orm::schema::AgentId::random(), "status": status,
                "background": background, "created_at": Timestamp::from(made),
            }))
            .unwrap()
        };
        let told = |run: &Run| readable(run, kept_since()).map_err(|error| error.to_string());
        assert_eq!(told(&run("completed", true, 179)), Ok(()));
        let expired = "EXPIRED: Run was created more than 3 hours ago, and is now expired.";
        assert_eq!(told(&run("completed", true, 181)), Err(expired.to_owned()));
        assert_eq!(told(&run("running", true, 600)), Ok(()));
        assert_eq!(told(&run("created", true, 600)), Ok(()));
        assert!(told(&run("running", false, 0)).unwrap_err().contains("not created in background mode"));
        assert!(told(&run("completed", false, 600)).unwrap_err().contains("not created in background mode"));
    }
}
