//! Servers are killed at random moments of message turns, started again, and must have kept their promises: an accepted
//! message is there exactly once, every tool call has exactly one return and was carried out at most once, the stream of
//! a background run is whole for its reader, and the conversation goes on.
//!
//! - `MUISTI_CRASH_KILLS`: how many times, on each set of servers (30).
//! - `MUISTI_CRASH_MOODS`: what the conversations are about, with commas: tools, approvals, compaction, background (all).
//! - `MUISTI_CRASH_SEED`: repeats the choices of an earlier run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod approvals;
mod background;
mod clients;
mod conversation;
mod dice;
mod mood;
mod nodes;
mod promises;

use std::{sync::Arc, time::Duration};

use muisti_testkit::{Backend, ScriptedModel};
use serde_json::json;

use conversation::Conversation;
use dice::{Dice, number};
use mood::Mood;
use nodes::Nodes;

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_on_sqlite_loses_nothing() {
    Siege::begin(Backend::Sqlite, 1).await.hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_on_postgres_loses_nothing() {
    if Backend::all().contains(&Backend::Postgres) {
        Siege::begin(Backend::Postgres, 1).await.hold().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_one_of_two_nodes_loses_nothing() {
    if Backend::all().contains(&Backend::Postgres) {
        Siege::begin(Backend::Postgres, 2).await.hold().await;
    }
}

/// Conversations are given up after so many kills, before their histories fill the model's window.
const KILLS_PER_CONVERSATION: u64 = 10;

/// One set of servers under fire.
struct Siege {
    name: String,
    kills: u64,
    moods: Vec<Mood>,
    dice: Arc<Dice>,
    model: ScriptedModel,
    // Before the database, which must outlive them.
    nodes: Nodes,
    _database: muisti_testkit::TestDatabase,
}

impl Siege {
    async fn begin(backend: Backend, count: usize) -> Self {
        let dice = Arc::new(Dice::new());
        let kills = number("MUISTI_CRASH_KILLS").unwrap_or(30);
        let moods = Mood::chosen();
        let name = if count == 1 { backend.to_string() } else { format!("{backend} with {count} nodes") };
        println!("{name}: {kills} kills, {moods:?}, MUISTI_CRASH_SEED={}", dice.seed);
        let model = ScriptedModel::start();
        let moody = Arc::clone(&dice);
        model.answer_with(move |request| mood::answer(&moody, request));
        let database = backend.fresh();
        let nodes = Nodes::start(&database, &model, count);
        Self { name, kills, moods, dice, model, nodes, _database: database }
    }

    async fn hold(mut self) {
        let mut conversations: Vec<Arc<Conversation>> = Vec::new();
        let mut sent = 0;
        for kill in 1..=self.kills {
            if kill % KILLS_PER_CONVERSATION == 1 {
                sent += count(&conversations);
                conversations = self.conversations().await;
            }
            self.model.clear_requests();
            self.kill(kill, &conversations).await;
            for conversation in &conversations {
                if let Err(fault) = self.check(conversation, &format!("go on after {kill}")).await {
                    self.report(kill, conversation, &fault).await;
                }
            }
        }
        println!("{}: {} messages sent, none lost", self.name, sent + count(&conversations));
    }

    async fn conversations(&self) -> Vec<Arc<Conversation>> {
        let mut conversations = Vec::new();
        for mood in &self.moods {
            conversations.push(Arc::new(Conversation::begin(self.nodes.any(&self.dice), *mood).await));
        }
        conversations
    }

    /// Lets clients talk, kills one of the servers in the middle of it, and brings it back.
    async fn kill(&mut self, kill: u64, conversations: &[Arc<Conversation>]) {
        let urls = self.nodes.urls();
        let mut clients = Vec::new();
        for (index, conversation) in conversations.iter().enumerate() {
            for name in conversation.mood.clients() {
                let url = self.dice.one_of(&urls).clone();
                let name = format!("{kill}{name}{index}");
                let (conversation, dice) = (Arc::clone(conversation), Arc::clone(&self.dice));
                clients.push(tokio::spawn(clients::keep_sending(url, urls.clone(), conversation, name, dice)));
            }
        }
        tokio::time::sleep(self.dice.millis_below(500)).await;
        let dead = self.nodes.kill_one(&self.dice);
        if self.nodes.count() > 1 {
            // The others go on meanwhile, and may have to wait for what the dead one has left.
            let is_taken_over = self.dice.once_in(10);
            let pause = if is_taken_over { Nodes::takeover() } else { self.dice.millis_below(300) };
            tokio::time::sleep(pause).await;
        }
        conversations.iter().for_each(|conversation| conversation.rest(true));
        self.nodes.revive(dead, &self.dice);
        for client in clients {
            client.await.unwrap();
        }
        conversations.iter().for_each(|conversation| conversation.rest(false));
    }

    /// Everything that is promised of a conversation.
    async fn check(&self, conversation: &Conversation, text: &str) -> Result<(), String> {
        let server = self.nodes.any(&self.dice);
        let history = promises::settled_history(server, conversation).await;
        let pending = approvals::pending(&server.url(), conversation).await.map_err(|error| error.to_string())?;
        promises::check_history(conversation, &history, &pending)?;
        // Whatever waits can be answered, and nothing stands in the way of the next message.
        if !approvals::answer_all(&server.url(), conversation, &self.dice).await {
            return Err(conversation.first_fault().unwrap_or_else(|| "a running server is gone".to_owned()));
        }
        promises::goes_on(server, &self.model, conversation, text).await
    }

    async fn report(&self, kill: u64, conversation: &Conversation, fault: &str) -> ! {
        // What is still going may go to its end, so that the history is that of the fault.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let history = promises::settled_history(self.nodes.any(&self.dice), conversation).await;
        let (name, seed, mood) = (&self.name, self.dice.seed, conversation.mood);
        panic!(
            "{name}, seed {seed}, after kill {kill}, {mood:?}: {fault}\n{:#}\n{}",
            json!(history),
            self.nodes.logs()
        );
    }
}

fn count(conversations: &[Arc<Conversation>]) -> usize {
    conversations.iter().map(|conversation| conversation.sent.count()).sum()
}
