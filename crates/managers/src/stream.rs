//! Reading the stored streams of background runs.

use std::time::Duration;

use muisti_orm::{
    frames, runs,
    schema::{AgentId, ConversationId, OrganizationId, RetrieveStreamRequest, RunId, RunStatus},
};

use crate::{
    Actor, Error, Result, Services,
    frames::{KEPT, StoredStream, kept_since},
};

/// How long to wait before a run is looked for once more by the client's own id: the request may just be coming in.
const TRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// Reads the streams of background runs, while they go on and for three hours after they began.
pub struct StreamManager<'a>(&'a Services);

/// The history that a stream is looked for in, as clients name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamOf {
    /// A conversation.
    Conversation(ConversationId),
    /// The default history of an agent.
    Agent(AgentId),
}

impl Services {
    /// The stored streams.
    pub const fn streams(&self) -> StreamManager<'_> {
        StreamManager(self)
    }
}

impl StreamManager<'_> {
    /// The stream of a run that was just begun for this client.
    pub fn read(&self, run: RunId, starting_after: i64) -> StoredStream {
        self.0.frames().read(run, starting_after)
    }

    /// The stream of a run, behind the frame `starting_after`.
    ///
    /// # Errors
    /// 404 for an unknown run, 400 for one that is not a background run, 410 when it has ended and began more than
    /// three hours ago.
    pub async fn of_run(&self, actor: &Actor, run: RunId, starting_after: i64) -> Result<StoredStream> {
        let organization = actor.organization_id;
        let found = self.0.db().read(move |conn| runs::get(conn, organization, run)).await?;
        let found = found.ok_or_else(|| Error::NotFound(format!("Run with id {run} not found")))?;
        if found.background != Some(true) {
            return Err(Error::InvalidArgument(
                "Run was not created in background mode, so it cannot be retrieved.".to_owned(),
            ));
        }
        let going = matches!(found.status, RunStatus::Created | RunStatus::Running);
        if !going && found.created_at < kept_since() {
            let hours = KEPT.as_secs() / 3600;
            return Err(Error::Expired(format!("Run was created more than {hours} hours ago, and is now expired.")));
        }
        Ok(self.read(run, starting_after))
    }

    /// The stream of a run of a history: of the run that the request names, or of the one that the message with the
    /// client's own id has made, or else of the newest one that is going.
    ///
    /// # Errors
    /// As [`Self::of_run`]; 404 for an unknown id of the client, 400 when nothing is going.
    pub async fn of_history(
        &self,
        actor: &Actor,
        history: StreamOf,
        request: &RetrieveStreamRequest,
    ) -> Result<StoredStream> {
        let key = match history {
            StreamOf::Conversation(conversation) => conversation.to_string(),
            StreamOf::Agent(agent) => agent.to_string(),
        };
        let organization = actor.organization_id;
        let run = match (request.run_id, &request.otid) {
            (Some(run), _) => run,
            (None, Some(otid)) => self.by_otid(organization, &key, otid).await?,
            (None, None) => {
                let going = self.0.db().read(move |conn| frames::newest_going(conn, organization, &key)).await?;
                going.ok_or_else(|| Error::InvalidArgument("No active runs found for this conversation.".to_owned()))?
            }
        };
        self.of_run(actor, run, request.starting_after).await
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
