//! How many tokens a context has: by the model's vocabulary where it is known, by bytes elsewhere, and in either case
//! corrected by what the provider says.
//!
//! [`Gauge`] answers whether there is room for the next call, and costs next to nothing however long the context is.
//! [`Sizes`] is for one compaction, which counts every row once.

use std::ops::RangeInclusive;

use muisti_llm::{TokenCounter, ToolSpec};
use muisti_orm::schema::{
    ContentPart, ImageContent, ImageSource, MessageRole, StoredMessage, ToolReturnPart, ToolReturnValue,
};

use super::{
    super::{context, loaded::ChatModel},
    plan::Ground,
};
use crate::tool::clip;

/// What a message has beside its text: its role, its marks.
const ROW_TOKENS: i64 = 4;
/// What an image is charged with. Providers go by its dimensions, not by its bytes.
const IMAGE_TOKENS: i64 = 1_000;
/// What one is charged with that the model is to look at from afar.
const SMALL_IMAGE_TOKENS: i64 = 85;
/// How far a provider's figure can be from ours and still be believed.
const BELIEVED: RangeInclusive<f64> = 0.3..=4.0;
/// The same where there are images: to some models one is a few dozen tokens.
const BELIEVED_OF_IMAGES: RangeInclusive<f64> = 0.02..=4.0;

/// What a call has in it that has a size.
#[derive(Debug, Clone, Copy)]
pub(in crate::agent_loop) struct Load<'a> {
    /// The messages in context.
    pub(in crate::agent_loop) context: &'a [StoredMessage],
    /// What the model reads in the place of the system message among them, if that is not it.
    pub(in crate::agent_loop) system: Option<&'a str>,
    pub(in crate::agent_loop) tools: &'a [ToolSpec],
}

impl<'a> Load<'a> {
    /// The tokens of each message.
    fn rows(self, counter: TokenCounter, window: i64) -> impl Iterator<Item = i64> + 'a {
        self.context.iter().enumerate().map(move |(index, row)| match self.system {
            Some(text) if index == 0 && row.role == MessageRole::System => ROW_TOKENS + counter.count(text),
            _ => of_row(counter, window, row),
        })
    }

    fn tokens(self, counter: TokenCounter, window: i64) -> i64 {
        self.rows(counter, window).sum::<i64>() + of_tools(counter, self.tools)
    }

    fn believed(self) -> RangeInclusive<f64> {
        if self.context.iter().any(|row| images_of(row).next().is_some()) { BELIEVED_OF_IMAGES } else { BELIEVED }
    }
}

/// How full the window is, going by the figures that the provider gives with each answer.
#[derive(Debug, Clone)]
pub(in crate::agent_loop) struct Gauge {
    counter: TokenCounter,
    window: i64,
    /// Real tokens for each one estimated, once an answer has told.
    scale: Option<f64>,
}

impl Gauge {
    pub(in crate::agent_loop) fn of(model: &ChatModel) -> Self {
        let config = &model.config;
        Self { counter: TokenCounter::of(&config.model), window: config.context_window, scale: None }
    }

    /// Whether an answer has told how far an estimate is off.
    pub(in crate::agent_loop) const fn is_confirmed(&self) -> bool {
        self.scale.is_some()
    }

    /// Takes note that a call with these messages and tools had `prompt_tokens`. Zero, from a provider that does not
    /// say, teaches nothing, nor does a figure that cannot be that of these messages.
    pub(in crate::agent_loop) fn learn(&mut self, load: Load<'_>, prompt_tokens: i64) {
        let estimate = load.tokens(TokenCounter::Estimate, self.window);
        self.scale = ratio(estimate, prompt_tokens).filter(|ratio| load.believed().contains(ratio)).or(self.scale);
    }

    /// The tokens of a call with these messages and tools, without counting: estimated by bytes, on the high side
    /// until an answer has told how far off that is.
    pub(in crate::agent_loop) fn tokens(&self, load: Load<'_>) -> i64 {
        let estimate = load.tokens(TokenCounter::Estimate, self.window);
        match self.scale {
            Some(scale) => scaled(estimate, scale),
            None => TokenCounter::Estimate.cautious(estimate),
        }
    }

    /// Whether a call with these messages and tools would not fit. Counts only when an estimate that nothing confirms
    /// says so.
    pub(in crate::agent_loop) fn overflows(&self, load: Load<'_>) -> bool {
        if self.window <= 0 || self.tokens(load) <= self.window {
            return false;
        }
        self.scale.is_some() || !self.counter.is_exact() || load.tokens(self.counter, self.window) > self.window
    }

    /// Whether a call with these messages and tools takes more than half of the window, so that a provider may have
    /// refused it for that.
    pub(in crate::agent_loop) fn is_large(&self, load: Load<'_>) -> bool {
        self.window > 0 && self.tokens(load) > self.window / 2
    }

    /// The tokens of the system message of a call.
    pub(in crate::agent_loop) fn of_system(&self, load: Load<'_>) -> i64 {
        let has_one = load.context.first().is_some_and(|first| first.role == MessageRole::System);
        let tokens = load.rows(self.counter, self.window).next().filter(|_| has_one).unwrap_or_default();
        self.counter.cautious(tokens)
    }
}

/// The sizes of all rows of a context, in tokens.
pub(super) struct Sizes {
    counter: TokenCounter,
    scale: f64,
    window: i64,
    tools: i64,
    /// For each row the tokens of it and all that follow; one more at the end for nothing.
    from: Vec<i64>,
}

impl Sizes {
    /// Counts every row. `real` is what the provider says that it all is, `more_than_window` what it means by refusing
    /// it. A window of which nobody knows the size, 0, is one that this context has just filled.
    pub(super) fn measure(model: &ChatModel, load: Load<'_>, real: Option<i64>, more_than_window: bool) -> Self {
        let counter = TokenCounter::of(&model.config.model);
        let window = model.config.context_window;
        let rows = load.rows(counter, window).collect::<Vec<_>>();
        let tools = of_tools(counter, load.tools);
        let (low, high) = load.believed().into_inner();
        let total = rows.iter().sum::<i64>() + tools;
        let window = if window > 0 { window } else { total };
        let cautious = ratio(total, counter.cautious(total)).unwrap_or(1.0);
        let mut scale = real.and_then(|real| ratio(total, real)).unwrap_or(cautious).clamp(low, high);
        if more_than_window && let Some(least) = ratio(total, window) {
            scale = scale.max(least.min(high));
        }
        let mut from = Vec::with_capacity(rows.len() + 1);
        let mut sum = 0;
        from.push(sum);
        from.extend(rows.iter().rev().map(|row| {
            sum += scaled(*row, scale);
            sum
        }));
        from.reverse();
        Self { counter, scale, window, tools: scaled(tools, scale), from }
    }

    /// By bytes, without tools.
    #[cfg(test)]
    pub(super) fn of_test(context: &[StoredMessage], window: i64) -> Self {
        let mut from = vec![0];
        for row in context.iter().rev() {
            from.push(from.last().unwrap() + of_row(TokenCounter::Estimate, window, row));
        }
        from.reverse();
        Self { counter: TokenCounter::Estimate, scale: 1.0, window, tools: 0, from }
    }

    pub(super) const fn window(&self) -> i64 {
        self.window
    }

    pub(super) const fn tools(&self) -> i64 {
        self.tools
    }

    /// The tokens of this row and all that follow.
    pub(super) fn from(&self, index: usize) -> i64 {
        self.from.get(index).copied().unwrap_or_default()
    }

    /// The tokens of the rows before this one.
    pub(super) fn of_head(&self, end: usize) -> i64 {
        self.from(0) - self.from(end)
    }

    /// The tokens of a call with nothing but what must stay.
    pub(super) fn least(&self, ground: &Ground<'_>) -> i64 {
        self.of_head(ground.head()) + self.from(ground.tail()) + self.tools
    }

    /// So many tokens as they were counted, without caution or correction.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "counts of tokens")]
    pub(super) fn counted(&self, tokens: i64) -> i64 {
        (tokens as f64 / self.scale) as i64
    }

    /// Whether so many tokens, as they were counted, are more than the window however far the count may be off.
    pub(super) const fn is_surely_too_much(&self, counted: i64) -> bool {
        let most = if self.counter.is_exact() { self.window } else { self.window.saturating_mul(2) };
        self.window > 0 && counted >= most
    }

    /// The tokens of a whole call.
    pub(super) fn total(&self) -> i64 {
        self.from(0) + self.tools
    }

    /// The tokens of a row that is not in the context.
    pub(super) fn of_new(&self, row: &StoredMessage) -> i64 {
        scaled(of_row(self.counter, self.window, row), self.scale)
    }
}

/// The tokens of a message as a model with this window is sent it.
pub(crate) fn of_row(counter: TokenCounter, window: i64, row: &StoredMessage) -> i64 {
    let parts = row.content.iter().map(|part| match part {
        ContentPart::Text(text) => counter.count(&text.text),
        _ => 0,
    });
    let images = images_of(row).map(of_image).sum::<i64>();
    let calls = row.tool_calls.iter().map(|call| &call.function);
    let calls = calls.map(|call| ROW_TOKENS + counter.count(&call.name) + counter.count(&call.arguments));
    if row.tool_returns.is_empty() {
        return ROW_TOKENS + parts.sum::<i64>() + calls.sum::<i64>() + images;
    }
    let limit = clip::limit(window);
    let returns = context::returns_of(row).into_iter();
    ROW_TOKENS + returns.map(|(_, text)| ROW_TOKENS + counter.count(&clip::text(text, limit))).sum::<i64>() + images
}

/// The images of a message, and of what its tools returned.
fn images_of(row: &StoredMessage) -> impl Iterator<Item = &ImageContent> {
    let said = row.content.iter().filter_map(|part| match part {
        ContentPart::Image(image) => Some(image),
        _ => None,
    });
    let returned = row.tool_returns.iter().filter_map(|tool| match &tool.func_response {
        Some(ToolReturnValue::Parts(parts)) => Some(parts),
        _ => None,
    });
    let returned = returned.flatten().filter_map(|part| match part {
        ToolReturnPart::Image(image) => Some(image),
        ToolReturnPart::Text(_) => None,
    });
    said.chain(returned)
}

fn of_image(image: &ImageContent) -> i64 {
    let detail = match &image.source {
        ImageSource::Base64(image) => image.detail.as_deref(),
        ImageSource::Stored(image) => image.detail.as_deref(),
        ImageSource::Url(_) => None,
    };
    if detail == Some("low") { SMALL_IMAGE_TOKENS } else { IMAGE_TOKENS }
}

fn of_tools(counter: TokenCounter, tools: &[ToolSpec]) -> i64 {
    let of_tool = |tool: &ToolSpec| {
        let schema = tool.parameters.to_string();
        ROW_TOKENS + counter.count(&tool.name) + counter.count(&tool.description) + counter.count(&schema)
    };
    tools.iter().map(of_tool).sum()
}

/// Real tokens for each one counted.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
fn ratio(counted: i64, real: i64) -> Option<f64> {
    (counted > 0 && real > 0).then(|| real as f64 / counted as f64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "counts of tokens")]
fn scaled(counted: i64, scale: f64) -> i64 {
    (counted as f64 * scale).ceil() as i64
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AgentId, LlmConfig, MessageRole, ModelEndpointType};

    use super::*;

    fn gauge(model: &str, window: i64) -> Gauge {
        let config = LlmConfig::new(ModelEndpointType::Openai, model, window);
        Gauge { counter: TokenCounter::of(&config.model), window, scale: None }
    }

    fn rows(bytes: usize) -> Vec<StoredMessage> {
        vec![StoredMessage::new(
            AgentId::random(),
            MessageRole::User,
            vec![ContentPart::text("word ".repeat(bytes / 5))],
        )]
    }

    fn load(context: &[StoredMessage]) -> Load<'_> {
        Load { context, system: None, tools: &[] }
    }

    #[test]
    fn an_estimate_follows_the_figures_of_the_provider() {
        let mut gauge = gauge("local", 8192);
        assert_eq!(gauge.tokens(load(&rows(4_000))), 1305);
        gauge.learn(load(&rows(4_000)), 2_008);
        assert_eq!(gauge.tokens(load(&rows(8_000))), 4_008);
        gauge.learn(load(&rows(4_000)), 0);
        gauge.learn(load(&rows(4_000)), 20);
        assert_eq!(gauge.tokens(load(&rows(8_000))), 4_008);
    }

    #[test]
    fn a_model_whose_words_are_known_is_counted_before_it_is_said_to_overflow() {
        // 26,000 bytes are 6,500 tokens by the rule of thumb and 8,450 with caution, but 5,200 words.
        assert!(gauge("local", 8192).overflows(load(&rows(26_000))));
        assert!(!gauge("gpt-4o", 8192).overflows(load(&rows(26_000))));
        assert!(gauge("gpt-4o", 8192).overflows(load(&rows(50_000))));
        assert!(!gauge("local", 0).overflows(load(&rows(50_000))));
    }

    #[test]
    fn ten_thousand_messages_are_weighed_in_no_time() {
        let many: Vec<StoredMessage> = (0..10_000).flat_map(|_| rows(400)).collect();
        let time = |_| {
            let began = std::time::Instant::now();
            gauge("gpt-4o", i64::MAX).tokens(load(&many));
            began.elapsed()
        };
        // A machine that is busy with other things is slow at some of the tries.
        let quickest = (0..10).map(time).min().unwrap();
        assert!(quickest < std::time::Duration::from_millis(50), "{quickest:?}");
    }

    #[test]
    fn what_is_sent_in_the_place_of_the_system_message_is_what_counts() {
        let mut context = rows(40);
        context.insert(
            0,
            StoredMessage::new(AgentId::random(), MessageRole::System, vec![ContentPart::text("x".repeat(90_000))]),
        );
        let stored = load(&context);
        let instead = Load { system: Some("Be brief."), ..stored };
        let gauge = gauge("local", 8192);
        assert!(gauge.overflows(stored) && !gauge.overflows(instead));
        assert!(gauge.of_system(stored) > 8192 && gauge.of_system(instead) < 20);
        assert!(gauge.is_large(stored) && !gauge.is_large(instead));
        assert_eq!(gauge.of_system(load(&rows(40))), 0);
    }

    #[test]
    fn images_are_charged_by_how_closely_they_are_looked_at_and_less_is_believed() {
        let image = |detail: &str| {
            let image = serde_json::json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk=", "detail": detail}});
            StoredMessage::new(AgentId::random(), MessageRole::User, vec![serde_json::from_value(image).unwrap()])
        };
        assert_eq!(of_row(TokenCounter::Estimate, 8192, &image("low")), ROW_TOKENS + 85);
        assert_eq!(of_row(TokenCounter::Estimate, 8192, &image("auto")), ROW_TOKENS + 1_000);
        let context: Vec<_> = (0..10).map(|_| image("high")).collect();
        let mut gauge = gauge("local", 8192);
        assert!(gauge.overflows(load(&context)));
        gauge.learn(load(&context), 700);
        assert_eq!(gauge.tokens(load(&context)), 700);
    }
}
