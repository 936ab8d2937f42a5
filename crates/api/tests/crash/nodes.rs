//! The servers on one database: one of them, or two, of which one at a time dies.

use std::time::Duration;

use muisti_testkit::{ScriptedModel, Server, TestDatabase};

use crate::dice::Dice;

/// How long a lease holds here, in seconds. What a dead node has left is taken over when it has run out.
const LEASE: u64 = 2;

pub(crate) struct Nodes(Vec<Server>);

impl Nodes {
    pub(crate) fn start(database: &TestDatabase, model: &ScriptedModel, count: usize) -> Self {
        let start = |index: usize| {
            let builder = Server::builder(env!("CARGO_BIN_EXE_muisti"), database)
                .env("OPENAI_API_KEY", "scripted")
                .env("OPENAI_API_BASE", model.base_url())
                .env("MUISTI_DISCOVER_LOCAL", "false")
                .env("MUISTI_LEASE", LEASE.to_string())
                .env("MUISTI_ENCRYPTION_KEY", "of all nodes");
            if count == 1 { builder.start() } else { builder.node(&format!("node-{index}")).start() }
        };
        Self((0..count).map(start).collect())
    }

    /// The addresses of all of them.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.0.iter().map(Server::url).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One that is running now: the last one to be started.
    pub(crate) fn any(&self, dice: &Dice) -> &Server {
        dice.one_of(&self.0)
    }

    /// SIGKILL to one of them, which is returned.
    pub(crate) fn kill_one(&mut self, dice: &Dice) -> usize {
        let index = usize::try_from(dice.below(self.0.len() as u64)).unwrap();
        self.0[index].kill();
        index
    }

    /// Starts the dead one again, sometimes with a second death in the middle of the start.
    pub(crate) fn revive(&mut self, index: usize, dice: &Dice) {
        if dice.once_in(5) {
            self.0[index].crash_while_starting(dice.millis_below(150));
        }
        let server = self.0.remove(index);
        self.0.insert(index, server.restart());
    }

    /// How long the dead one may stay dead, so that its work is taken over by another.
    pub(crate) const fn takeover() -> Duration {
        Duration::from_secs(2 * LEASE + 1)
    }

    /// What they wrote last.
    pub(crate) fn logs(&self) -> String {
        self.0.iter().map(Server::log).collect::<Vec<_>>().join("\n---\n")
    }
}
