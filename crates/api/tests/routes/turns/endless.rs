//! A conversation of ten thousand messages in a window of eight thousand tokens.

use std::time::{Duration, Instant};

use muisti_testkit::{Answer, Backend, SeenRequest};
use serde_json::json;

use super::compaction::{assert_paired, sent, summarises};
use crate::harness::{App, on_each_database};

const PAST: usize = 9_600;
/// The most that one import takes.
const AT_ONCE: usize = 800;
const TURNS: usize = 200;
const WINDOW: usize = 8_000;
/// What is said in turns that are all alike.
const ALIKE: &str = "The same as ever.";

/// What is said in a message: some 100 tokens.
fn words(number: usize) -> String {
    format!("Message {number} of many. {}", "And so it went on. ".repeat(20))
}

/// The one in the middle: a machine that is busy at some of the times does not change it.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

impl App {
    /// How long a turn takes.
    async fn timed(&mut self, agent: &str, text: &str) -> Duration {
        let began = Instant::now();
        self.say(agent, text).await.expect_json();
        began.elapsed()
    }
}

#[tokio::test]
async fn ten_thousand_messages_go_through_a_small_window_and_none_is_lost() {
    on_each_database(async |app| {
        let agent = app.brief_agent("sliding_window", json!({"context_window_limit": WINDOW})).await;
        let import = format!("/v1/conversations/{agent}/messages/import");
        for start in (0..PAST).step_by(AT_ONCE) {
            let past = (start..start + AT_ONCE).map(|number| {
                let role = if number % 2 == 0 { "user" } else { "assistant" };
                json!({"role": role, "content": words(number)})
            });
            app.post(&import, json!({"messages": past.collect::<Vec<_>>()})).await.expect_json();
        }
        app.model.answer_with(|request| {
            let read: usize = request.messages().iter().map(|message| message.to_string().len()).sum();
            if summarises(request) {
                let before = request
                    .last_text()
                    .lines()
                    .find_map(|line| line.strip_prefix("[summary] Summary ")?.parse::<u32>().ok());
                return Answer::text(&format!("Summary {}", before.unwrap_or(0) + 1));
            }
            assert!(read / 4 <= WINDOW, "{} tokens are sent", read / 4);
            assert_paired(request);
            Answer::text(&words(0)).usage(u64::try_from(read / 4).unwrap(), 100)
        });
        app.model.clear_requests();
        // Beside it goes an agent whose turns are all alike: they tell how quick the machine is at the time.
        let alike = app.brief_agent("all", json!({"message_buffer_autoclear": true})).await;
        let (mut first, mut last) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for turn in 0..TURNS {
            let text = words(PAST + 2 * turn);
            let time = app.timed(&agent, &text).await;
            let request = app.model.last_request();
            let measured = match turn {
                ..50 => Some(&mut first),
                turn if turn >= TURNS - 50 => Some(&mut last),
                _ => None,
            };
            if let Some((times, beside)) = measured {
                times.push(time);
                beside.push(app.timed(&alike, ALIKE).await);
            }
            if !summarises(&request) {
                assert_eq!(request.last_user().unwrap(), text);
            }
            if turn == TURNS / 2 {
                let block = format!("/v1/agents/{agent}/core-memory/blocks/human");
                app.patch(&block, json!({"value": "Their cat is called Nöpö."})).await.expect_json();
            }
        }
        let [first, last] = [first, last].map(|(times, beside)| (median(times), median(beside)));
        let quotient = |(time, beside): (Duration, Duration)| time.as_secs_f64() / beside.as_secs_f64();
        assert!(quotient(last) < 3.0 * quotient(first), "turns stay as quick as they were: {first:?}, then {last:?}");

        let is_question = |request: &SeenRequest| !summarises(request) && request.last_text() != ALIKE;
        let questions: Vec<_> = app.model.requests().into_iter().filter(is_question).collect();
        assert_eq!(questions.len(), TURNS);
        let newest = questions.last().unwrap();
        assert!(newest.system().unwrap().contains("Nöpö"), "the memory is there to the end");
        let summaries = app.summaries(&agent).await;
        assert!(summaries.len() >= 5, "{}", summaries.len());
        let told = format!("Summary {}", summaries.len());
        let last = summaries.last().unwrap()["summary"].as_str().unwrap();
        assert!(last.ends_with(&told), "each is folded into the next: {last}");
        assert!(sent(newest, "user")[0].contains("Summary "));
        assert!(app.context_ids(&agent).await.len() < 100);

        // Everything is listed, in its order, and found by its words.
        let mut listed = Vec::new();
        let mut after = String::new();
        loop {
            let page = app.list(&format!("/v1/agents/{agent}/messages?order=asc&limit=1000{after}")).await;
            let Some(newest) = page.as_array().unwrap().last() else { break };
            after = format!("&after={}", newest["id"].as_str().unwrap());
            listed.extend(page.as_array().unwrap().iter().map(|row| row["content"].as_str().unwrap().to_owned()));
        }
        assert_eq!(listed.len(), 1 + PAST + 2 * TURNS + summaries.len());
        let mine: Vec<&String> = listed.iter().filter(|text| text.starts_with("Message ")).collect();
        assert_eq!(mine[..PAST], (0..PAST).map(words).collect::<Vec<_>>().iter().collect::<Vec<_>>());
        let query = json!({"query": "4321", "agent_id": agent});
        let found = app.post("/v1/messages/search", query).await.expect_json();
        assert!(found.to_string().contains("Message 4321 of many."), "{found}");
    })
    .await;
}

#[tokio::test]
async fn a_turn_reads_what_is_in_context_and_no_more() {
    let mut worlds = Vec::new();
    for past in [8, 4_000] {
        let mut app = App::start(Backend::Sqlite.fresh(), |server| server);
        let agent = app.brief_agent("all", json!({})).await;
        let import = format!("/v1/conversations/{agent}/messages/import");
        for start in (0..past).step_by(AT_ONCE) {
            let end = past.min(start + AT_ONCE);
            let past = (start..end).map(|number| json!({"role": "user", "content": words(number)}));
            app.post(&import, json!({"messages": past.collect::<Vec<_>>()})).await.expect_json();
        }
        app.post(&format!("/v1/agents/{agent}/summarize"), json!({})).await.expect_json();
        worlds.push((app, agent, Vec::new()));
    }
    // In turn, so that both find the machine as busy as it is.
    for _ in 0..20 {
        for (app, agent, times) in &mut worlds {
            times.push(app.timed(agent, "One more.").await);
        }
    }
    let times: Vec<Duration> = worlds.into_iter().map(|(_, _, times)| median(times)).collect();
    let (short, long) = (times[0], times[1]);
    assert!(long < short * 3 + Duration::from_millis(50), "{short:?} after 8 messages, {long:?} after 4,000");
}
