//! Embeddings, in batches that the server takes.

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::error::{LlmError, LlmErrorKind};
use crate::http::Client;
use crate::settings::ProviderSettings;

/// Calls at the same time.
const CONCURRENT: usize = 3;
/// A single text that is too long is cut to its first half at most this often.
const CUTS: usize = 6;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [&'a str],
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// How many texts go into one call: as many as OpenAI takes, fewer for servers on people's own machines.
pub(super) fn batch_size(settings: &ProviderSettings) -> i64 {
    if settings.is_openai_itself() { 1_024 } else { 32 }
}

pub(super) async fn embed(
    settings: &ProviderSettings,
    client: &Client,
    model: &str,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, LlmError> {
    // Empty input is refused by most.
    let texts: Vec<&str> = texts.iter().map(|text| if text.trim().is_empty() { " " } else { text.as_str() }).collect();
    let url = format!("{}/embeddings", settings.base_url.api());
    let size = usize::try_from(batch_size(settings)).unwrap_or(1);
    let calls: Vec<_> = texts.chunks(size).map(|batch| embed_batch(client, &url, model, batch)).collect();
    let batches: Vec<Vec<Vec<f32>>> = stream::iter(calls).buffered(CONCURRENT).try_collect().await?;
    Ok(batches.into_iter().flatten().collect())
}

/// Embeds one batch, in halves when it is too large, and a single text that is too long by its beginning.
async fn embed_batch(client: &Client, url: &str, model: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, LlmError> {
    let mut waiting = vec![texts.to_vec()];
    let mut vectors = Vec::with_capacity(texts.len());
    let mut cuts = 0;
    while let Some(batch) = waiting.pop() {
        match call(client, url, model, &batch).await {
            Ok(found) => {
                vectors.extend(found);
                cuts = 0;
            }
            Err(e) if is_too_large(&e) && batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len() / 2);
                waiting.push(second.to_vec());
                waiting.push(first.to_vec());
            }
            Err(e) if e.is_context_overflow() && cuts < CUTS => {
                cuts += 1;
                waiting.push(batch.iter().map(|text| first_half(text)).collect());
            }
            Err(e) => return Err(e),
        }
    }
    Ok(vectors)
}

fn is_too_large(error: &LlmError) -> bool {
    error.is_context_overflow() || error.kind == LlmErrorKind::BadRequest
}

fn first_half(text: &str) -> &str {
    let mut end = text.len() / 2;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

async fn call(client: &Client, url: &str, model: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, LlmError> {
    let response = client.call(url, &Body { model, input: texts }).await?;
    let bytes = client.read_answer(response).await?;
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| client.not_json(url, &bytes))?;
    let mut items: Vec<(usize, Vec<f32>)> = answer
        .data
        .into_iter()
        .enumerate()
        .map(|(position, item)| (item.index.unwrap_or(position), item.embedding))
        .collect();
    items.sort_by_key(|(index, _)| *index);
    if items.len() != texts.len() || items.iter().any(|(_, vector)| vector.is_empty()) {
        return Err(client.error(
            LlmErrorKind::InvalidResponse,
            format!(
                "{} texts were sent to the embedding model '{model}' and {} vectors came back.",
                texts.len(),
                items.len()
            ),
        ));
    }
    Ok(items.into_iter().map(|(_, vector)| vector).collect())
}
