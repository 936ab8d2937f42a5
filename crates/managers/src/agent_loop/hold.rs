//! The right to change a history's context outside of a turn: to compact it, to begin it afresh, to put messages in.
//!
//! Turns and holders stand in one queue for a history, and take the same lease. So neither ever sees the other's half
//! of a change, on this node or on another.

use std::time::{Duration, Instant};

use muisti_orm::{Conn, histories::HistoryId, leases, runs::CancelOf, schema::RunId};

use super::{halt::Halt, history_lock::InLine, node::ActiveTurn};
use crate::{Error, Result, Services};

/// How long a request that changes a history waits for it: the SDKs give up after a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(50);
/// How often a holder looks whether another node has given a history back, or taken one from it.
const POLL: Duration = Duration::from_millis(250);

/// A history that is nobody else's until this is given back.
pub(crate) struct Held {
    services: Services,
    claim: Claim,
    /// None once the history is given back.
    place: Option<Place>,
}

/// What a holder has in this process: the first place in the queue, and its mark among what is going on, which keeps
/// the lease renewed and the server from stopping in between.
struct Place {
    _line: InLine,
    active: ActiveTurn,
}

/// The lease of a holder. It is in the name of a run that does not exist, as it is no run that holds it.
#[derive(Clone)]
struct Claim {
    key: String,
    holder: RunId,
}

impl Claim {
    fn release(&self, conn: &mut Conn) -> muisti_orm::Result<bool> {
        leases::release(conn, &self.key, self.holder)
    }

    async fn give_back(self, services: &Services) {
        if let Err(error) = services.db().write(move |conn| self.release(conn)).await {
            tracing::warn!(%error, "a held history is free only when its lease has run out");
        }
    }
}

impl Services {
    /// Waits until nobody works on the history, at most `patience`, and keeps everybody else from it.
    ///
    /// # Errors
    /// [`Error::Busy`] when patience ends, and [`Error::Unavailable`] while the server shuts down.
    pub(crate) async fn hold(&self, history: HistoryId, patience: Duration) -> Result<Held> {
        let node = self.node();
        if node.is_closing() {
            return Err(Error::Unavailable("The server is shutting down. Send the request again in a moment.".into()));
        }
        let deadline = Instant::now() + patience;
        let claim = Claim { key: history.key(), holder: RunId::random() };
        let active = node.enter(claim.holder);
        let line = node.locks().stand(&claim.key, None);
        line.reach(patience).await.map_err(Error::Busy)?;
        let place = Some(Place { _line: line, active });
        let held = Held { services: self.clone(), claim, place };
        loop {
            let (claim, node) = (held.claim.clone(), node.clone());
            let taken = self.db().write(move |conn| {
                let until = node.lease_until();
                let lease = leases::Lease { key: &claim.key, run_id: claim.holder, node_id: node.id(), until };
                match leases::acquire(conn, &lease)? {
                    true => Ok::<_, muisti_orm::Error>(Ok(())),
                    false => Ok(Err(leases::holder(conn, &claim.key)?)),
                }
            });
            match taken.await? {
                Ok(()) => return Ok(held),
                Err(holder) if Instant::now() >= deadline => return Err(Error::Busy(holder)),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
}

impl Services {
    /// Ends what holds one of these histories, is no run, and does not mind. Returns whether there was such a thing.
    pub(super) async fn break_off(&self, of: CancelOf) -> Result<bool> {
        let node = self.node().clone();
        let broken = self.db().write(move |conn| {
            let mut holders = Vec::new();
            for lease in leases::unnamed_of(conn, &of)? {
                // What others hold may be the matter of a moment; whoever loses it is told to try again.
                let minds = lease.node_id == node.id() && !node.is_breakable(lease.holder);
                if !minds && leases::release(conn, &lease.key, lease.holder)? {
                    holders.push(lease.holder);
                }
            }
            Ok::<_, Error>(holders)
        });
        let broken = broken.await?;
        broken.iter().for_each(|holder| self.node().cancel(*holder));
        Ok(!broken.is_empty())
    }
}

impl Held {
    /// Does what takes long, until somebody else wants the history more.
    ///
    /// # Errors
    /// Those of the work; 409 when it was broken off, [`Error::Unavailable`] when the server stops.
    pub(super) async fn unless_broken_off<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(place) = &self.place else { return work.await };
        self.services.node().make_breakable(self.claim.holder);
        let broken_off = || Error::Conflict("This was broken off before it was done. Nothing has changed.".to_owned());
        let elsewhere = async {
            loop {
                tokio::time::sleep(POLL).await;
                let claim = self.claim.clone();
                let held = self.services.db().read(move |conn| leases::is_held_by(conn, &claim.key, claim.holder));
                // A database that is out of reach for a moment takes nothing away.
                if matches!(held.await, Ok(false)) {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            halt = place.active.halted() => match halt {
                Halt::Stopped => Err(Error::Unavailable("The server is shutting down. Nothing has changed.".into())),
                _ => Err(broken_off()),
            },
            () = elsewhere => Err(broken_off()),
            done = work => done,
        }
    }

    /// Gives the history back, before the caller hears of anything: what it tries next is to find it free.
    pub(super) async fn give_back(mut self) {
        self.claim.clone().give_back(&self.services).await;
        self.place = None;
    }

    /// Makes the change and gives the history back, in one transaction.
    ///
    /// # Errors
    /// Those of the change, of which then nothing is stored; [`Error::Busy`] when this server was out of reach for so
    /// long that another one has got the history.
    pub(crate) async fn write<T, F>(mut self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let claim = self.claim.clone();
        let made = self.services.db().write(move |conn| {
            let made = change(conn)?;
            if claim.release(conn)? {
                return Ok::<_, Error>(made);
            }
            Err(Error::Busy(leases::holder(conn, &claim.key)?))
        });
        let made = made.await;
        match made.is_ok() {
            true => self.place = None,
            false => self.give_back().await,
        }
        made
    }
}

impl Drop for Held {
    /// Gives the history back behind the caller's back: the lease, then the place. Where that fails the lease runs out
    /// by itself.
    fn drop(&mut self) {
        let (Some(place), Ok(runtime)) = (self.place.take(), tokio::runtime::Handle::try_current()) else { return };
        let (services, claim) = (self.services.clone(), self.claim.clone());
        runtime.spawn(async move {
            claim.give_back(&services).await;
            drop(place);
        });
    }
}
