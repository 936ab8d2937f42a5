//! Which failures are worth a repeat, and when.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::HeaderMap;

use crate::error::{LlmError, LlmErrorKind};

/// A provider that asks for a longer wait than this gets none: the caller hears of it at once instead.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why one attempt failed, and whether another may succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: LlmError,
    pub(crate) repeat: bool,
}

/// Runs `attempt` up to `repeats` more times, while its failure asks for it: after half a second, doubling up to eight,
/// or when the provider says.
pub(crate) async fn repeating<T, F, Fut>(repeats: usize, attempt: F) -> Result<T, LlmError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(8))
        .with_max_times(repeats)
        .with_jitter()
        .with_jitter_seed(uuid::Uuid::new_v4().as_u64_pair().0);
    attempt
        .retry(backoff)
        .when(|failure| failure.repeat && failure.error.retry_after.is_none_or(|wait| wait <= LONGEST_WAIT))
        .adjust(|failure, wait| wait.map(|wait| failure.error.retry_after.unwrap_or(wait)))
        .notify(|failure, wait| {
            tracing::info!(
                provider = failure.error.provider,
                kind = failure.error.kind.as_str(),
                status = failure.error.status,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "repeating a model call"
            );
        })
        .await
        .map_err(|failure| failure.error)
}

/// Whether a status is worth a repeat. `x-should-retry` overrides, and a used-up quota does not refill in seconds.
pub(crate) fn repeat_status(status: u16, headers: &HeaderMap, error: &LlmError) -> bool {
    match headers.get("x-should-retry").map(|value| value.as_bytes()) {
        Some(b"true") => return true,
        Some(b"false") => return false,
        _ => {}
    }
    let settled = matches!(error.kind, LlmErrorKind::ContextOverflow | LlmErrorKind::InsufficientCredits)
        || error.code.as_deref() == Some("insufficient_quota")
        || error.refuses_images();
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504 | 529) && !settled
}

/// The wait that a provider asks for: `retry-after-ms`, or `retry-after` in seconds. Dates are not understood.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}
