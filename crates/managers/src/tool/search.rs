//! Finding tools by words.
//!
//! An organization has tens or hundreds of tools, so they are ranked where they are, by BM25, the same on every
//! database. Their meaning is not compared: no result has a rank by vectors.

use std::collections::HashSet;

use serde_json::Value;

use super::{ToolManager, manager::types};
use crate::{
    Actor,
    agent::check,
    error::Result,
    orm::{
        Order, Page,
        tools::{self, ToolFilter},
    },
    schema::{Tool, ToolSearchMode, ToolSearchRequest, ToolSearchResult},
};

/// How many tools are looked at, the newest ones.
const MOST: i64 = 10_000;

/// How soon more of the same word stops to count.
const SATURATION: f64 = 1.2;
/// How much the length of a text takes from its score.
const LENGTH: f64 = 0.75;
/// How often a word in the name counts.
const NAME_WEIGHT: usize = 3;
/// The share of each list when two are fused, and how much first places stand out.
const FUSION: (f64, f64) = (0.5, 60.0);

impl ToolManager {
    /// The tools that have words of the query in their name, description, arguments or tags, best first; without a
    /// query all, newest first.
    ///
    /// # Errors
    ///
    /// [`crate::Error::BadRequest`] for an unknown type.
    pub async fn search(&self, actor: &Actor, request: ToolSearchRequest) -> Result<Vec<ToolSearchResult>> {
        let organization = actor.organization_id;
        check::list("tool_types", request.tool_types.as_deref().unwrap_or_default())?;
        let types = types(request.tool_types.as_deref().unwrap_or_default())?;
        let filter = ToolFilter { types, ..ToolFilter::default() };
        let page = Page::first(MOST, Order::Desc);
        let mut found =
            self.db.read(move |conn| Ok::<_, crate::Error>(tools::list(conn, organization, &filter, &page)?)).await?;
        if let Some(tags) = request.tags.filter(|tags| !tags.is_empty()) {
            found.retain(|tool| tool.tags.iter().any(|tag| tags.contains(tag)));
        }
        let words = request.query.as_deref().map(words).unwrap_or_default();
        let by_words = request.query.is_some_and(|query| !query.trim().is_empty());
        if by_words {
            found = ranked(found, &words);
        }
        let limit = usize::try_from(request.limit).unwrap_or(0);
        let results = (1_i64..).zip(found).take(limit).map(|(rank, tool)| ToolSearchResult {
            tool,
            embedded_text: None,
            fts_rank: by_words.then_some(rank),
            vector_rank: None,
            combined_score: score(rank, by_words && request.search_mode == ToolSearchMode::Hybrid),
        });
        Ok(results.collect())
    }
}

/// The score of a place: of one list, or of two that are fused, one of which is empty.
fn score(rank: i64, fused: bool) -> f64 {
    let rank = f64::from(i32::try_from(rank).unwrap_or(i32::MAX));
    if fused { FUSION.0 / (FUSION.1 + rank) } else { 1.0 / rank }
}

/// The tools that have one of the words at least, best first; among equals the order stays.
fn ranked(tools: Vec<Tool>, query: &[String]) -> Vec<Tool> {
    let query: HashSet<&String> = query.iter().collect();
    let texts: Vec<Vec<String>> = tools.iter().map(text).collect();
    let count = number(texts.len());
    let average = number(texts.iter().map(Vec::len).sum()) / count.max(1.0);
    let mut scores = vec![0.0_f64; texts.len()];
    for word in query {
        // A word is found by its beginning too: `mail` finds `mailbox`.
        let frequencies: Vec<f64> = texts
            .iter()
            .map(|text| number(text.iter().filter(|other| other.starts_with(word.as_str())).count()))
            .collect();
        let having = number(frequencies.iter().filter(|frequency| **frequency > 0.0).count());
        let rarity = ((count - having + 0.5) / (having + 0.5)).ln_1p();
        for ((score, frequency), text) in scores.iter_mut().zip(frequencies).zip(&texts) {
            let length = 1.0 - LENGTH + LENGTH * number(text.len()) / average.max(1.0);
            *score += rarity * frequency * (SATURATION + 1.0) / (frequency + SATURATION * length);
        }
    }
    let mut scored: Vec<(f64, Tool)> = scores.into_iter().zip(tools).filter(|(score, _)| *score > 0.0).collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().map(|(_, tool)| tool).collect()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The words of all that is said about a tool.
fn text(tool: &Tool) -> Vec<String> {
    let mut text = Vec::new();
    for _ in 0..NAME_WEIGHT {
        text.extend(words(&tool.name));
    }
    let schema = tool.json_schema.as_ref();
    let description = schema.and_then(|schema| schema.get("description")).and_then(Value::as_str);
    let own = tool.description.as_deref();
    text.extend(own.into_iter().chain(description.filter(|text| Some(*text) != own)).flat_map(words));
    let parameters = schema.and_then(|schema| schema.get("parameters")?.get("properties")?.as_object());
    for (name, parameter) in parameters.into_iter().flatten() {
        text.extend(words(name));
        text.extend(parameter.get("description").and_then(Value::as_str).into_iter().flat_map(words));
    }
    text.extend(tool.tags.iter().flat_map(|tag| words(tag)));
    text
}

/// The words of a text in lower case: runs of letters and digits.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
