//! A conversation under fire: its agent, what was sent to it, and the streams of it that were read.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use muisti_testkit::{Client, Server};

use crate::mood::Mood;

pub(crate) struct Conversation {
    pub(crate) mood: Mood,
    pub(crate) agent: String,
    pub(crate) sent: Sent,
    faults: Mutex<Vec<String>>,
    resting: AtomicBool,
}

/// What was sent, by text, and whether the server had accepted it.
#[derive(Default)]
pub(crate) struct Sent(Mutex<BTreeMap<String, bool>>);

impl Sent {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn attempt(&self, text: &str) {
        self.0.lock().unwrap().insert(text.to_owned(), false);
    }

    pub(crate) fn accepted(&self, text: &str) {
        self.0.lock().unwrap().insert(text.to_owned(), true);
    }

    pub(crate) fn all(&self) -> BTreeMap<String, bool> {
        self.0.lock().unwrap().clone()
    }
}

impl Conversation {
    pub(crate) async fn begin(server: &Server, mood: Mood) -> Self {
        let created = server.client().post("/v1/agents/", &mood.agent()).await.unwrap().expect_json();
        Self {
            mood,
            agent: created["id"].as_str().unwrap().to_owned(),
            sent: Sent::default(),
            faults: Mutex::default(),
            resting: AtomicBool::new(false),
        }
    }

    pub(crate) fn messages(&self) -> String {
        format!("/v1/agents/{}/messages", self.agent)
    }

    /// Whether its clients are to send nothing more for now.
    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Acquire)
    }

    pub(crate) fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::Release);
    }

    /// Notes what a client saw that must not be.
    pub(crate) fn fault(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    pub(crate) fn first_fault(&self) -> Option<String> {
        self.faults.lock().unwrap().first().cloned()
    }
}

/// A client with the headers of an official one.
pub(crate) fn client(url: &str) -> Client {
    Client::new(url).with_header("x-stainless-package-version", "1.12.1")
}
